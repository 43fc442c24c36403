from rowcast_local.pip_settings import translate


def test_uv_gets_pip_s_index_and_certificates() -> None:
    listing = "global.cert='/etc/ssl/ca.pem'\nglobal.index-url='https://packages.example.com/simple'\n"
    assert translate(listing) == {
        "SSL_CERT_FILE": "/etc/ssl/ca.pem",
        "UV_DEFAULT_INDEX": "https://packages.example.com/simple",
    }


def test_the_environment_wins_over_a_file() -> None:
    listing = ":env:.index-url='https://b.example.com'\nglobal.index-url='https://a.example.com'\n"
    assert translate(listing) == {"UV_DEFAULT_INDEX": "https://b.example.com"}


def test_several_indexes_are_separated_as_uv_wants_them() -> None:
    assert translate("install.extra-index-url='https://a.example.com\\nhttps://b.example.com'\n") == {
        "UV_INDEX": "https://a.example.com https://b.example.com"
    }


def test_settings_that_uv_has_no_word_for_are_left_out() -> None:
    assert translate(":env:.disable-pip-version-check='1'\n") == {}
