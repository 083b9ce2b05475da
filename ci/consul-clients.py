"""Fixtures for py-consul's own tests: its are containers, these the store of the lab that the tests are played in."""

import collections

import pytest
import requests

ConsulInstance = collections.namedtuple("ConsulInstance", ["container", "port", "version"])
PORT = 8500
API = f"http://127.0.0.1:{PORT}/v1/"


def clean():
    requests.delete(API + "kv/?recurse", timeout=5)
    for session in requests.get(API + "session/list", timeout=5).json():
        requests.put(API + "session/destroy/" + session["ID"], timeout=5)
    for service in requests.get(API + "agent/services", timeout=5).json():
        requests.put(API + "agent/service/deregister/" + service, timeout=5)
    for check in requests.get(API + "agent/checks", timeout=5).json():
        requests.put(API + "agent/check/deregister/" + check, timeout=5)


@pytest.fixture
def consul_instance():
    clean()
    version = requests.get(API + "agent/self", timeout=5).json()["Config"]["Version"]
    yield ConsulInstance(None, PORT, version)
    clean()


@pytest.fixture
def consul_port(consul_instance):
    return consul_instance.port, consul_instance.version


@pytest.fixture
def acl_consul_instance():
    pytest.skip("a store without access control")
