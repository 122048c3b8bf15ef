from everlearn.wrappers.errors import SettingsError, unknown


def test_the_nearest_name_is_offered() -> None:
    assert str(unknown("stream", "SlipperyAntt", ["SlipperyAnt", "Other"])) == (
        "unknown stream 'SlipperyAntt': did you mean 'SlipperyAnt'?"
    )


def test_without_a_near_name_all_are_listed() -> None:
    assert "choose from 'a', 'b'" in str(unknown("method", "zzz", ["b", "a"]))


def test_it_is_a_value_error() -> None:
    assert issubclass(SettingsError, ValueError)
