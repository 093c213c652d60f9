"""The client against servers that speak TensorFlow Serving's protocols: answers, mistakes and faults."""

import contextlib
import threading
import time

import numpy as np
import pytest
import tensorflow as tf
import trustme
from prediction_server import Refused, Served, grpc_server, rest_server
from tiny_exports import CT_LABELS, PICTURE_LABELS

from keras_medformers.serving.client import (
    InvalidImageError,
    ServerError,
    ServingClient,
    heat_maps,
    probabilities_by_label,
)

SERVERS = {"grpc": grpc_server, "rest": rest_server}
SHAPES = ((40, 40, 1), (24, 50, 1), (40, 40, 1), (40, 40, 1), (24, 50, 1), (33, 33, 1))


@pytest.fixture(scope="module")
def served(tiny_exports):
    return Served(tiny_ct=tiny_exports["ct"], tiny_pictures=tiny_exports["pictures"])


@pytest.fixture(params=SERVERS)
def running(request, served):
    """Protocol, address, the function that ends the server, and what is served."""
    served.faults.clear()
    served.requests.clear()
    with SERVERS[request.param](served) as (address, end):
        yield request.param, address, end, served


@contextlib.contextmanager
def client_of(running, model="tiny_ct", **settings):
    settings = {"protocol": running[0], "backoff_s": 0.01, "timeout_s": 20} | settings
    with ServingClient(running[1], model, **settings) as client:
        yield client


def slices(shapes=SHAPES):
    generator = np.random.default_rng(0)
    return [generator.integers(-1000, 1000, shape).astype(np.int16) for shape in shapes]


def expected(version, images, signature="serving_default"):
    signatures = tf.saved_model.load(str(version)).signatures
    return [signatures[signature](pixels=tf.constant(image[None])) for image in images]


def test_metadata_describes_signatures(running):
    with client_of(running) as client:
        metadata = client.metadata()
    assert (metadata.name, metadata.version) == ("tiny_ct", 1)
    assert {"serving_default", "features", "explain", "raw", "explain_raw"} == set(
        metadata.signatures
    )
    default = metadata.signatures["serving_default"]
    assert default.inputs["pixels"].dtype == "int16"
    assert default.inputs["pixels"].shape == (None, None, None, 1)
    assert {name: one.dtype for name, one in default.outputs.items()} == {
        "probabilities": "float32",
        "labels": "string",
    }


def test_sizes_mix_and_order_is_kept(running, tiny_exports):
    images = slices()
    with client_of(running, batch_size=2) as client:
        found = client.predict(images)
    for one, wanted in zip(found, expected(tiny_exports["ct"], images), strict=True):
        assert sorted(one) == ["labels", "probabilities"]
        np.testing.assert_allclose(
            one["probabilities"], wanted["probabilities"][0], atol=1e-5
        )
        assert one["labels"].tolist() == list(CT_LABELS)
        assert probabilities_by_label(one).keys() == {"probabilities"}
        assert list(probabilities_by_label(one)["probabilities"]) == list(CT_LABELS)
    # Three of one shape in batches of two, two of another, one of a third.
    assert sorted(count for _, count in running[3].requests) == [1, 1, 2, 2]
    # Over REST pixels go as bytes.
    assert {name for name, _ in running[3].requests} == {
        "raw" if running[0] == "rest" else "serving_default"
    }


def test_no_images_no_requests(running):
    with client_of(running) as client:
        assert client.predict([]) == []
    assert running[3].requests == []


def test_photographs_as_pixels_and_as_files(running, tiny_exports):
    picture = np.random.default_rng(0).integers(0, 256, (30, 45, 3)).astype(np.uint8)
    (wanted,) = expected(tiny_exports["pictures"], [picture])
    files = [tf.io.encode_png(picture).numpy(), tf.io.encode_png(picture[::-1]).numpy()]
    with client_of(running, "tiny_pictures") as client:
        (of_pixels,) = client.predict([picture])
    with client_of(running, "tiny_pictures", signature="encoded") as client:
        of_file, of_other = client.predict(files)
        wrong = client.predict(
            [b"no picture", files[0], picture], return_exceptions=True
        )
    np.testing.assert_allclose(
        of_pixels["probabilities"], wanted["probabilities"][0], atol=1e-5
    )
    np.testing.assert_allclose(
        of_file["probabilities"], wanted["probabilities"][0], atol=1e-5
    )
    assert of_other["labels"].tolist() == list(PICTURE_LABELS)
    assert [isinstance(one, InvalidImageError) for one in wrong] == [True, False, True]


def test_heat_maps(running, tiny_exports):
    images = slices(SHAPES[:2])
    with client_of(running, signature="explain") as client:
        found = client.predict(images)
    for one, wanted in zip(
        found, expected(tiny_exports["ct"], images, "explain"), strict=True
    ):
        maps = heat_maps(one)
        assert maps.keys() == {"probabilities"}
        assert (
            maps["probabilities"].shape == (3, 8, 8)
            and maps["probabilities"].dtype == np.float32
        )
        np.testing.assert_allclose(
            maps["probabilities"], wanted["heat_maps"][0], atol=1e-4
        )
    called = "explain_raw" if running[0] == "rest" else "explain"
    assert {name for name, _ in running[3].requests} == {called}


def test_an_image_that_the_model_refuses_leaves_the_others(running):
    images = slices(SHAPES[:1] * 4)
    images[2] = np.abs(images[2])  # grey values are no Hounsfield units
    with client_of(running) as client:
        found = client.predict(images, return_exceptions=True)
        with pytest.raises(
            InvalidImageError, match="the model refuses it: .*expected Hounsfield units"
        ):
            client.predict(images)
    assert [isinstance(one, dict) for one in found] == [True, True, False, True]


def test_requests_that_a_server_spoils_by_putting_them_together(running):
    """Batching servers refuse all requests that share a batch with a wrong image."""
    all_there, alone = threading.Barrier(3, timeout=20), threading.Lock()

    def refuse():
        all_there.wait()
        raise Refused(
            "INVALID_ARGUMENT",
            "assertion failed: [expected others. Images, counted from 0:] [1]",
        )

    def refuse_unless_alone():
        if not alone.acquire(blocking=False):
            raise Refused("INVALID_ARGUMENT", "expected others")
        time.sleep(0.02)
        alone.release()

    running[3].faults += [refuse] * 3 + [refuse_unless_alone] * 6
    with client_of(running, batch_size=2) as client:
        assert all(
            isinstance(one, dict) for one in client.predict(slices(SHAPES[:1] * 6))
        )
    assert [count for _, count in running[3].requests] == [2, 2, 2] + [1] * 6


def test_another_clients_image_in_the_servers_batch(running):
    mixed = "Tensors with name 'pixels' from different tasks have different shapes and padding is turned off"
    running[3].faults += [
        Refused(
            "INVALID_ARGUMENT",
            "expected the images of a batch to have one height and width",
        ),
        Refused(
            "INVALID_ARGUMENT",
            "expected the images of a batch to have one height and width",
        ),
        Refused("FAILED_PRECONDITION", mixed),
    ]
    with client_of(running) as client:
        (found,) = client.predict(slices(SHAPES[:1]))
    assert found["labels"].tolist() == list(CT_LABELS)


def test_sizes_are_never_under_way_together(running):
    lock, most = threading.Lock(), []

    def note():
        with lock:
            most.append(1)
        time.sleep(0.02)
        with lock:
            most.append(-1)

    running[3].faults += [note] * 3
    with client_of(running, batch_size=8) as client:
        client.predict(slices())
    assert max(np.cumsum(most)) == 1


@pytest.mark.parametrize(
    "image, message",
    [
        (
            np.zeros((4, 4, 1)),
            r"int16 pixels of shape \(height, width, 1\).*float64 of shape \(4, 4, 1\)",
        ),
        (np.zeros((4, 4), np.int16), r"int16 of shape \(4, 4\)"),
        (np.zeros((4, 4, 3), np.int16), r"int16 of shape \(4, 4, 3\)"),
        (np.zeros((0, 4, 1), np.int16), r"int16 of shape \(0, 4, 1\)"),
        ([[1]], "expected an array of pixels. Received: list"),
    ],
)
def test_images_that_cannot_be_asked_for(running, image, message):
    good = slices(SHAPES[:1])
    with client_of(running) as client, pytest.raises(InvalidImageError, match=message):
        client.predict([*good, image])


def test_wrong_model_name(running):
    with client_of(running, "tinny") as client, pytest.raises(ServerError) as raised:
        client.predict(slices())
    assert raised.value.code == "NOT_FOUND"
    assert f"{running[1]} does not serve a model 'tinny'" in str(raised.value)
    assert "Latest(tinny)" in str(raised.value) and "models.config" in str(raised.value)


def test_wrong_signature(running):
    with client_of(running, signature="explian") as client:
        known = "explain, explain_raw, features, raw, serving_default"
        with pytest.raises(
            ServerError, match=f"no signature 'explian'; it has {known}"
        ):
            client.predict(slices())
    assert running[3].requests == []


def test_no_labels_in_the_answer(running):
    with client_of(running, signature="features") as client:
        (found,) = client.predict(slices(SHAPES[:1]))
    assert found["features"].shape == (8, 8, 8)
    with pytest.raises(
        ServerError, match="gives no labels: its outputs are features, probabilities"
    ):
        probabilities_by_label(found)


@pytest.mark.parametrize("protocol", SERVERS)
def test_no_server(protocol, caplog):
    caplog.set_level("INFO")
    settings = dict(retries=2, backoff_s=0.01, timeout_s=5)
    with ServingClient("localhost:1", "tiny_ct", protocol, **settings) as client:
        with pytest.raises(
            ServerError, match=f"no server answers at localhost:1 over {protocol}"
        ) as raised:
            client.predict(slices())
    assert raised.value.code == "UNAVAILABLE"
    assert [text for text in caplog.messages if "trying again" in text][1].endswith(
        "(2 of 2)"
    )


@pytest.mark.parametrize("protocol", SERVERS)
def test_an_encrypted_server_has_to_prove_who_it_is(protocol, served, tmp_path):
    served.faults.clear()
    settings = dict(protocol=protocol, retries=0, timeout_s=20)
    images = slices(SHAPES[:1])
    authority, other = trustme.CA(), trustme.CA()
    for name, one in (("ours.pem", authority), ("others.pem", other)):
        one.cert_pem.write_to_path(tmp_path / name)
    with SERVERS[protocol](served, certificate=authority.issue_cert("localhost")) as (
        address,
        _,
    ):
        with ServingClient(
            address, "tiny_ct", tls=tmp_path / "ours.pem", **settings
        ) as client:
            assert len(client.predict(images)) == 1
        for tls in (tmp_path / "others.pem", True):
            with ServingClient(address, "tiny_ct", tls=tls, **settings) as client:
                with pytest.raises(
                    ServerError, match="is its certificate for this name trusted here"
                ):
                    client.predict(images)
        with ServingClient(address, "tiny_ct", **settings) as client:
            with pytest.raises(ServerError, match="does it want TLS"):
                client.predict(images)


@pytest.mark.parametrize("code", ["UNAVAILABLE", "RESOURCE_EXHAUSTED"])
def test_a_server_that_recovers(running, code):
    running[3].faults += [Refused(code, "queue is full")] * 3
    with client_of(running, retries=3) as client:
        found = client.predict(slices(SHAPES[:1]))
    assert len(found) == 1 and len(running[3].requests) == 4


@pytest.mark.parametrize(
    "code, message",
    [
        ("UNAVAILABLE", "no server answers .*queue is full"),
        ("RESOURCE_EXHAUSTED", "has too much to do .*queue is full"),
    ],
)
def test_a_server_that_does_not_recover(running, code, message):
    running[3].faults += [Refused(code, "queue is full")] * 9
    with (
        client_of(running, retries=2) as client,
        pytest.raises(ServerError, match=message) as raised,
    ):
        client.predict(slices(SHAPES[:1]))
    assert raised.value.code == code and len(running[3].requests) == 3


def test_other_failures_are_not_tried_again(running):
    running[3].faults.append(Refused("INTERNAL", "out of memory"))
    with (
        client_of(running) as client,
        pytest.raises(ServerError, match="INTERNAL .*out of memory"),
    ):
        client.predict(slices(SHAPES[:1]))
    assert len(running[3].requests) == 1


def test_a_failed_batch_leaves_the_others(running):
    running[3].faults.append(Refused("INTERNAL", "out of memory"))
    with client_of(running, concurrency=1) as client:
        found = client.predict(slices(), return_exceptions=True)
    failed = [place for place, one in enumerate(found) if isinstance(one, ServerError)]
    assert failed == [0, 2, 3]


def test_a_slow_server(running):
    given_up = threading.Event()
    with client_of(running) as client:
        client.predict(slices(SHAPES[:1]))
    with client_of(running, timeout_s=0.5) as client:
        running[3].faults.append(lambda: given_up.wait(60) and None)
        with pytest.raises(
            ServerError, match="within 0.5 s; allow more time"
        ) as raised:
            client.predict(slices(SHAPES[:1]))
        given_up.set()
    assert raised.value.code == "DEADLINE_EXCEEDED"


def test_a_server_that_dies_keeps_what_it_answered(running):
    _, _, end, served = running

    def die():
        end()
        raise Refused("UNAVAILABLE", "dying")

    with client_of(running, batch_size=1, concurrency=1, retries=1) as client:
        client.predict(slices(SHAPES[:1]))
        served.faults += [lambda: None, lambda: None, die]
        found = client.predict(slices(), return_exceptions=True)
    # Images of the first one's size go first.
    assert [isinstance(one, dict) for one in found] == [
        True,
        False,
        True,
        False,
        False,
        False,
    ]
    assert {found[place].code for place in (1, 3, 4, 5)} == {"UNAVAILABLE"}
    # Others do not wait for a server again that was away to the end.
    assert "another request did not reach it" in str(found[-1])


def test_answers_that_do_not_fit(running):
    def cut():
        return lambda outputs: {name: values[:1] for name, values in outputs.items()}

    running[3].faults.append(cut)
    with client_of(running) as client:
        with pytest.raises(
            ServerError, match=r"output '\w+' has shape \(1, 3\) for 2 images"
        ) as raised:
            client.predict(slices(SHAPES[:1] * 2))
    assert raised.value.code == "INTERNAL"


def test_requests_at_a_time_are_bounded(running):
    at_once, most, lock = [0], [0], threading.Lock()

    def count():
        with lock:
            at_once[0] += 1
            most[0] = max(most[0], at_once[0])
        time.sleep(0.05)
        with lock:
            at_once[0] -= 1

    running[3].faults += [count] * 9
    with client_of(running, batch_size=1, concurrency=3) as client:
        client.predict(slices(SHAPES[:1] * 9))
    assert most[0] == 3


@pytest.mark.parametrize(
    "settings, message",
    [
        (
            {"server": "localhost"},
            "`server` must be host:port, without a scheme. Received: 'localhost'",
        ),
        ({"server": "localhost:http"}, "`server` must be host:port"),
        (
            {"server": "https://localhost:8500"},
            "without a scheme. Received: 'https://localhost:8500'",
        ),
        (
            {"tls": "absent.pem"},
            "PEM.*Received: absent.pem, which cannot be read: No such file",
        ),
        (
            {"tls": __file__},
            "PEM.*Received: .*test_serving_client.py, which cannot be read",
        ),
        ({"protocol": "http"}, "`protocol` must be one of grpc, rest"),
        ({"batch_size": 0}, "`batch_size` must be at least 1"),
        ({"concurrency": 0}, "`concurrency` must be at least 1"),
        ({"retries": -1}, "`retries` must be at least 0"),
        ({"timeout_s": 0.0}, "`timeout_s` must be above 0"),
        ({"backoff_s": float("nan")}, "`backoff_s` at least 0"),
    ],
)
def test_wrong_settings(settings, message):
    with pytest.raises(ValueError, match=message):
        ServingClient(
            **{"server": "localhost:8500", "model_name": "tiny_ct"} | settings
        )


def test_rest_on_something_that_is_no_tensorflow_serving(served):
    """A web server of another kind answers with a page."""
    import http.server

    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<html>")

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("localhost", 0), Page) as server:
        thread = threading.Thread(
            target=server.serve_forever, kwargs={"poll_interval": 0.02}
        )
        thread.start()
        with ServingClient(
            f"localhost:{server.server_port}", "tiny_ct", "rest"
        ) as client:
            with pytest.raises(
                ServerError, match="is no JSON: is this TensorFlow Serving's REST port"
            ):
                client.metadata()
        server.shutdown()
        thread.join()
