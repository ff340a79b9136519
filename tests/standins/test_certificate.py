import ssl

from tests.standins.certificate import self_signed


def test_the_file_serves_both_ends(tmp_path):
    path = self_signed(tmp_path)
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(path)
    trusting = ssl.create_default_context(cafile=str(path))
    assert dict(trusting.get_ca_certs()[-1]["subject"][0])["commonName"] == "localhost"
