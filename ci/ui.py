"""Drives the page and the key browser of a lab that is up. ui.py LAB WORK [PICTURES]; see ci/ui."""

import base64
import contextlib
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

LAB, WORK, PICTURES = sys.argv[1], sys.argv[2], sys.argv[3] if len(sys.argv) > 3 else ""
# Long enough for anything that happens at once, on a busy machine, in seconds.
SOON = 20
MANY = 5000


def lab(*args):
    args = args if "--lab" in args else ("--lab", "two-host", *args)
    return subprocess.run([LAB, *args], check=True, capture_output=True, text=True).stdout


def ask(target, method="GET", body=None, **headers):
    """What the door answers: status and body."""
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(target, method=method, data=body, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=SOON) as reply:
            return reply.status, reply.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


class Page:
    """The page in a browser."""

    def __init__(self, url):
        self.url = self.root = url
        options = webdriver.ChromeOptions()
        options.binary_location = "/usr/bin/chromium"
        for word in ["--headless=new", "--disable-gpu", "--disable-dev-shm-usage", "--force-color-profile=srgb",
                     "--disable-background-networking", "--disable-component-update", "--no-first-run",
                     "--window-size=1360,860", f"--user-data-dir={WORK}/profile"]:
            options.add_argument(word)
        if os.geteuid() == 0:
            options.add_argument("--no-sandbox")
        options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
        self.driver = webdriver.Chrome(service=Service("/usr/bin/chromedriver"), options=options)
        self.driver.get(url)

    def until(self, what, fact):
        """Waits until a function of the page holds."""
        try:
            return WebDriverWait(self.driver, SOON, poll_frequency=0.05).until(lambda _: fact())
        except Exception as error:
            self.picture("failed")
            raise SystemExit(f"not so: {what}\n{self.text('body')}\n{error}") from error

    def text(self, selector):
        # Read at once: an element may be made anew between finding and asking.
        return self.driver.execute_script("return document.querySelector(arguments[0])?.innerText ?? ''", selector)

    def see(self, selector, text):
        self.until(f"{selector} says {text!r}", lambda: text in self.text(selector))

    def asked(self, text):
        """Waits until the dialog is open and says that; what a closed one said last is still in it."""
        self.until(f"the dialog says {text!r}", lambda: self.driver.execute_script(
            "return document.getElementById('dialog').open") and text in self.text("#dialog"))

    def not_asked(self):
        self.until("the dialog is closed", lambda: not self.driver.execute_script("return document.getElementById('dialog').open"))

    def key(self, *keys):
        """Types, wherever the focus is."""
        ActionChains(self.driver).send_keys(*keys).perform()

    def with_control(self, key):
        ActionChains(self.driver).key_down(Keys.CONTROL).send_keys(key).key_up(Keys.CONTROL).perform()

    def write_all(self, text):
        """Replaces what stands in the field that has the focus."""
        self.with_control("a")
        self.key(text)

    def focused(self, what):
        """Something about the element that has the focus."""
        return self.driver.execute_script("return document.activeElement?.[arguments[0]]", what)

    def current(self):
        return self.driver.execute_script("""
            const row = document.getElementById(document.getElementById("tree").getAttribute("aria-activedescendant"));
            return row?.querySelector(".name").innerText ?? null;""")

    def rows(self):
        return self.driver.execute_script("return Array.from(document.querySelectorAll('.row .name'), name => name.innerText)")

    def go(self, key):
        """To a key by its address, as a link does. `key` is encoded."""
        self.driver.execute_script("location.hash = arguments[0]", key)

    def value(self, key):
        status, body = ask(f"{self.root}ui/value/{key.hex()}")
        return base64.b64decode(json.loads(body)["value"]) if status == 200 else None

    def picture(self, name):
        if not PICTURES:
            return
        os.makedirs(PICTURES, exist_ok=True)
        for scheme in ["light", "dark"]:
            feature = {"name": "prefers-color-scheme", "value": scheme}
            self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
            self.driver.save_screenshot(f"{PICTURES}/{name}-{scheme}.png")

    def requests(self):
        """Every address that the page has asked for."""
        for entry in self.driver.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                yield message["params"]["request"]["url"]


def press(page, selector, text):
    """Presses the button that says that, by the keyboard."""
    page.driver.execute_script("""
        Array.from(document.querySelectorAll(arguments[0])).find(one => one.innerText.startsWith(arguments[1])).focus()""", selector, text)
    page.key(Keys.ENTER)


def drawn(page, selector):
    """How many of the picture's elements there are."""
    return page.driver.execute_script("return document.querySelectorAll(`#picture ${arguments[0]}`).length", selector)


def picture(page):
    page.until("there is a picture", lambda: drawn(page, "[data-interface]") == 23)
    page.see("#status", "3 hosts · 2 containers")
    page.see("#events", "lab two-host is up")
    page.picture("lab")
    page.driver.execute_script("document.querySelector('#picture [data-room=\"C0\"]').focus()")
    page.key(Keys.ENTER)
    page.see("#room", "192.168.0.100/24")
    page.see("#room", "default")
    page.see("#room", "Counters")
    page.until("it is marked", lambda: drawn(page, ".chosen") == 1)
    page.key("n")
    page.until("the next namespace is shown", lambda: "C0" not in page.text("#room h2"))
    page.key("p")
    page.see("#room h2", "C0")
    page.picture("room")
    lab("ping", "C1", "C0", "-c", "200", "-i", "5ms")
    page.until("what passes is seen", lambda: drawn(page, '[data-level="1"], [data-level="2"], [data-level="3"]') > 4)
    page.key(Keys.ESCAPE)
    page.until("the tables are closed", lambda: not page.text("#room"))


def wrong(page):
    page.key("f")
    page.until("a fault can be typed", lambda: page.focused("id") == "words")
    page.key("crash docker1", Keys.ENTER)
    page.see("#faults", "host docker1 is down")
    page.until("the host is down in the picture", lambda: drawn(page, ".host.down") == 1)
    page.see("#status", "1 down")
    page.picture("down")
    page.key(Keys.ESCAPE)
    page.key("h")
    page.until("it is healed", lambda: not page.text("#faults") and drawn(page, ".host.down") == 0)
    page.see("#events", "docker1")
    page.driver.execute_script("document.getElementById('host').value = 'docker0'")
    press(page, "#tools button", "Isolate")
    page.until("what is ill is red", lambda: drawn(page, ".edge.ill") == 1)
    page.key("f")
    page.write_all("wire nobody --delay 5ms")
    page.key(Keys.ENTER)
    page.see("#said", "no host is named `nobody`")
    page.write_all("<b>nonsense</b>")
    page.key(Keys.ENTER)
    page.see("#said", "nonsense")
    page.key(Keys.ESCAPE)


def way(page):
    page.key("t")
    page.until("a packet can be sent", lambda: page.focused("id") == "from")
    page.key("C1", Keys.TAB, "C0", Keys.ENTER)
    page.until("it was lost, and where is marked", lambda: drawn(page, ".lost") == 1)
    assert "took it in the switch" in page.text("#picture"), page.text("#picture")
    page.picture("lost")
    page.key(Keys.ESCAPE)
    page.key("h")
    page.until("it is healed", lambda: not page.text("#faults"))
    # A host that was alone for long has to be known again.
    page.until("they reach each other", lambda: subprocess.run(
        [LAB, "--lab", "two-host", "ping", "C1", "C0", "-c", "1"], capture_output=True).returncode == 0)
    press(page, "#tools button", "Trace")
    page.until("it went there and back", lambda: drawn(page, ".way.back") > 4 and drawn(page, ".lost") == 0)
    page.picture("way")
    page.key(Keys.ESCAPE)
    page.key(Keys.ESCAPE)
    page.until("the picture is that of now again", lambda: drawn(page, ".way") == 0)


def capture(page):
    pings = subprocess.Popen([LAB, "--lab", "two-host", "ping", "C1", "C0", "-c", "1000", "-i", "5ms"], stdout=subprocess.DEVNULL)
    status, file = ask(f"{page.root}lab/capture.pcapng?on=C0&count=5&for=10")
    pings.kill()
    pings.wait()
    # A section header block, in this machine's byte order (pcapng, 4.1).
    assert (status, file[:4]) == (200, bytes([0x0a, 0x0d, 0x0d, 0x0a])) and len(file) > 500, (status, file[:99])
    assert ask(f"{page.root}lab/capture.pcapng?filter=icpm")[0] == 400


def many_hosts(page):
    with hosts_of(page, "fifty"):
        page.until("there are fifty hosts", lambda: drawn(page, "[data-host]") == 51)
        page.see("#status", "51 hosts · 50 containers")
        page.picture("fifty")
        page.key("n")
        page.until("a namespace is shown", lambda: "Links" in page.text("#room"))
        page.key("+", "+", "+")
        page.picture("fifty-near")
    with hosts_of(page, "two-hundred"):
        page.until("there are two hundred hosts", lambda: drawn(page, "[data-host]") == 201)
        page.see("#status", "201 hosts")
        assert not is_whole(page), "it is higher than the page"
        page.picture("two-hundred")
        page.key("0")
        page.until("all of it is seen", lambda: is_whole(page))
        page.picture("two-hundred-whole")
        page.key("0")
        page.until("it is as wide as the page again", lambda: not is_whole(page))
        page.key("n", "n")
        page.until("a namespace is shown", lambda: "Links" in page.text("#room"))


@contextlib.contextmanager
def hosts_of(page, name):
    """The page of another lab."""
    served = subprocess.Popen([LAB, "--lab", name, "ui"], stdout=subprocess.PIPE, text=True)
    try:
        page.driver.get(served.stdout.readline().strip())
        yield
    finally:
        page.driver.get("about:blank")
        served.kill()
        served.wait()


def is_whole(page):
    """Whether nothing of the picture has to be scrolled to."""
    return page.driver.execute_script("""
        const box = document.getElementById("picture");
        return box.scrollHeight <= box.clientHeight && box.scrollWidth <= box.clientWidth""")


def keys(page):
    page.driver.get(page.url)
    page.until("the tab of keys is there", lambda: "Keys" in page.text(".tabs"))
    page.key("k")
    page.until("it leads to the key browser", lambda: page.driver.title == "Keys")
    page.see(".tabs", "Picture")


def first_look(page):
    page.until("the tree has rows", lambda: "docker/" in page.rows())
    page.see("#status", "index ")
    page.see("#sessions", "holds docker/nodes/10.0.0.10:2376")
    page.key(Keys.HOME)
    page.until("Home goes to the first row", lambda: page.current() == "docker/")
    page.key(Keys.ARROW_RIGHT)
    page.until("a folder that is open is gone into", lambda: page.current() == "network/")
    page.key(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
    page.until("a folder is opened and gone into", lambda: page.current() == "v1.0/")
    page.key(Keys.ARROW_LEFT)
    page.until("left goes up", lambda: page.current() == "network/")
    page.key(Keys.ARROW_LEFT)
    page.until("left closes", lambda: "v1.0/" not in page.rows())
    row = page.driver.find_elements(By.CSS_SELECTOR, ".row")[1]
    row.find_element(By.CSS_SELECTOR, ".twisty").click()
    page.until("a click at the mark opens", lambda: "v1.0/" in page.rows())
    page.driver.find_elements(By.CSS_SELECTOR, ".row .name")[2].click()
    page.until("a click chooses", lambda: page.current() == "v1.0/")
    page.key(Keys.ARROW_UP)
    page.until("and the keyboard goes on from there", lambda: page.current() == "network/")
    page.key("/")
    page.key("vxlan")
    page.until("a filter leaves what matches, and what it is in", lambda: page.rows()[-1] == "vxlan-id/" and len(page.rows()) == 5)
    page.key(Keys.ENTER, Keys.END)
    page.see("#detail", "1 of 16,776,960 VNIs")
    page.key("/")
    page.key(Keys.ESCAPE)
    page.go("docker/network/v1.0/ipam/default/data/GlobalDefault/192.168.0.0/24/")
    page.see("#detail .use", "192.168.0.100")
    page.see("#detail .use", "192.168.0.0–192.168.0.2")
    page.until("it is what the tree shows", lambda: page.current() == "24/")
    page.picture("bitmap")
    network = next(key for key in lab("kv", "ls", "docker/network/v1.0/network/").split() if len(key) > 60)
    page.go(network)
    page.see("#detail", '"ipamV4Info": as text')
    page.see("#rows", "demonet")
    page.picture("network")
    page.driver.set_window_size(560, 860)
    page.picture("narrow")
    page.driver.set_window_size(1360, 860)
    page.key("/")
    page.key("C1 192")
    page.until("a container's name finds its endpoint", lambda: len(page.rows()) == 6)
    page.key(Keys.ESCAPE)


def locks(page):
    page.driver.execute_script("document.getElementById('tree').focus()")
    page.go("docker/nodes/10.0.0.10:2376")
    page.see("#detail dl", "Held by")
    page.until("the row says so, too", lambda: "held" in page.text("#rows"))
    page.key("s")
    page.until("the sessions have the focus", lambda: page.driver.execute_script(
        "return document.activeElement.closest('#sessions') !== null"))
    page.key(Keys.ESCAPE)
    page.until("and give it back", lambda: page.focused("id") == "tree")
    page.key("?")
    page.asked("Keyboard")
    page.picture("help")
    page.key(Keys.ENTER)
    page.not_asked()


def write(page):
    page.key("n")
    page.write_all("notes/first")
    page.key(Keys.ENTER, "hello", Keys.ENTER, "world")
    page.picture("new")
    page.with_control(Keys.ENTER)
    page.see("#said", "Saved notes/first")
    assert page.value(b"notes/first") == b"hello\nworld"
    page.until("the new key is the current one", lambda: page.current() == "first")

    page.key("n")
    page.until("a key is new beside the one chosen", lambda: page.focused("value") == "notes/")
    page.write_all("notes/first")
    page.key(Keys.ENTER, "again")
    page.with_control(Keys.ENTER)
    page.see("#said", "Not saved: there is such a key already.")
    assert page.value(b"notes/first") == b"hello\nworld"
    page.key(Keys.ESCAPE)
    page.asked("Discard what you wrote?")
    page.key(Keys.ENTER)
    page.until("the tree has the focus again", lambda: page.focused("id") == "tree")

    lab("kv", "put", "notes/first", "from elsewhere")
    page.see("#detail", "from elsewhere")
    lab("kv", "put", "notes/second", "2")
    page.until("a key of others is there", lambda: "second" in page.rows())


def conflict(page):
    page.key("e")
    page.write_all("mine")
    lab("kv", "put", "notes/first", "theirs")
    page.see(".news", "Saving would be refused: somebody wrote this key meanwhile")
    page.with_control(Keys.ENTER)
    page.see("#said", "Not saved: the key was changed meanwhile.")
    page.see(".news", "theirs")
    page.picture("refused")
    assert page.value(b"notes/first") == b"theirs"
    field = page.driver.find_element(By.ID, "value")
    assert field.get_attribute("value") == "mine"
    keep = page.driver.find_elements(By.CSS_SELECTOR, ".news button")[1]
    keep.send_keys(Keys.ENTER)
    page.with_control(Keys.ENTER)
    page.see("#said", "Saved notes/first")
    assert page.value(b"notes/first") == b"mine"

    page.go("notes/second")
    page.see("#detail pre", "2")
    page.key("e")
    page.write_all("still wanted")
    lab("kv", "rm", "notes/second")
    page.see(".news", "Saving would be refused: somebody deleted this key meanwhile")
    page.driver.find_element(By.CSS_SELECTOR, ".news button").send_keys(Keys.ENTER)
    page.with_control(Keys.ENTER)
    page.see("#said", "Saved notes/second")
    assert page.value(b"notes/second") == b"still wanted"
    page.go("notes/first")


def delete(page):
    page.see("#detail", "mine")
    page.key(Keys.DELETE)
    page.asked("Delete notes/first?")
    page.key(Keys.ESCAPE)
    page.not_asked()
    assert page.value(b"notes/first") == b"mine"
    page.key(Keys.DELETE)
    page.asked("Delete notes/first?")
    page.key(Keys.ENTER)
    page.see("#said", "Deleted notes/first")
    assert page.value(b"notes/first") is None
    page.until("the next one is current", lambda: page.current() == "second")

    for name in "abc":
        lab("kv", "put", f"folder/below/{name}", name)
    page.go("folder/below/")
    page.see("#detail", "3 keys begin with it")
    page.key(Keys.DELETE)
    page.asked("Delete 3 keys that begin with folder/below/?")
    page.key(Keys.ENTER)
    page.see("#said", "Deleted 3 keys")
    assert lab("kv", "ls", "folder/") == ""
    page.go("notes/second")


ODD = [
    b"/lead", b"odd//two", b"odd/../up", b"odd/./here", b"odd/trail/", b"//", b"odd/sp ace", b" ", b"odd/100%25 + ?#&=;\\",
    "odd/é☃/\U0001f4e6".encode(), b"odd/<img src=x onerror=alert(1)>", b"odd/\"'><script>alert(1)</script>",
    "odd/\u202eevil".encode(), b"odd/new\nline\x00", b"odd/\xff\xfe", b"..", b"odd/{root}",
]


def odd_keys(page):
    for key in ODD:
        try:
            text = key.decode()
            body = [{"KV": {"Verb": "set", "Key": text, "Value": base64.b64encode(b"1").decode(), "Flags": 2**63 + 1}}]
            status, answer = ask(f"{page.root}v1/txn", "PUT", json.dumps(body).encode())
        except UnicodeDecodeError:
            status, answer = ask(f"{page.root}v1/kv/{urllib.parse.quote(key)}?flags={2**63 + 1}", "PUT", b"1")
        assert status == 200, (key, answer)
    for key in ODD:
        encoded = urllib.parse.quote(key, safe="~$&+,/:;=@")
        page.go(encoded)
        page.until(f"{key} is shown", lambda: page.text("#detail dl").replace("\n", " ").count("Value 1 byte") == 1
                   and page.driver.execute_script("return location.hash") == f"#{encoded}" and page.current() is not None)
        page.driver.execute_script("document.getElementById('tree').focus()")
        page.key("e")
        page.until("it can be written", lambda: page.focused("id") == "value")
        page.write_all("<b>written</b>")
        page.with_control(Keys.ENTER)
        page.until(f"{key} is written", lambda: page.value(key) == b"<b>written</b>")
        page.see("#detail pre", "<b>written</b>")
    flags = json.loads(ask(f"{page.root}ui/value/{ODD[0].hex()}")[1])["flags"]
    assert flags == str(2**63 + 1), flags
    page.go("odd/%FF%FE")
    page.see("#detail h2", "odd/\\xff\\xfe")
    page.picture("odd")
    for key in ODD:
        page.go(urllib.parse.quote(key, safe="~$&+,/:;=@"))
        page.see("#detail pre", "<b>written</b>")
        page.driver.execute_script("document.getElementById('tree').focus()")
        page.key(Keys.DELETE)
        page.asked("Delete ")
        page.key(Keys.ENTER)
        page.until(f"{key} is deleted", lambda: page.value(key) is None)
        page.not_asked()


def bytes_of_a_value(page):
    ask(f"{page.root}v1/kv/blob", "PUT", bytes(range(256)))
    page.go("blob")
    page.see("#detail pre", "0000f0  f0 f1")
    page.picture("hex")
    page.driver.execute_script("document.getElementById('tree').focus()")
    page.key("e")
    page.until("it can be written", lambda: page.focused("id") == "value")
    page.write_all("0d 0a 00 ff")
    page.with_control(Keys.ENTER)
    page.see("#said", "Saved blob")
    assert page.value(b"blob") == b"\r\n\x00\xff"


def many_keys(page):
    keys = [f"many/{n // 100:02}/{n:04}" for n in range(MANY)]
    for at in range(0, MANY, 100):
        ops = [{"KV": {"Verb": "set", "Key": key, "Value": "MQ=="}} for key in keys[at:at + 100]]
        assert ask(f"{page.root}v1/txn", "PUT", json.dumps(ops).encode())[0] == 200
    page.until("all are known", lambda: f"{MANY}" in page.text("#rows"))
    page.go("many/00/0000")
    page.until("the first is current", lambda: page.current() == "0000")
    page.driver.execute_script("document.getElementById('tree').focus()")
    page.key("/")
    begun = time.monotonic()
    page.key("many/")
    page.until("all of them are in the filter's tree", lambda: page.driver.execute_script(
        "return document.getElementById('rows').clientHeight > 22 * arguments[0]", MANY))
    took = time.monotonic() - begun
    page.key(Keys.ENTER, Keys.END)
    page.until("the last is current", lambda: page.current() == "4999")
    assert len(page.rows()) < 120, len(page.rows())
    begun = time.monotonic()
    page.key(*[Keys.ARROW_UP] * 50)
    page.until("fifty rows up", lambda: page.current() == "4949")
    print(f"{MANY} keys: filtered {took * 1000:.0f} ms after five letters, fifty steps in {(time.monotonic() - begun) * 1000:.0f} ms, "
          f"{len(page.rows())} rows in the page")
    page.picture("many")
    page.key("/")
    page.key(Keys.ESCAPE)


def door(page):
    port = urllib.parse.urlsplit(page.url).port
    for target, status, headers in [
        (f"http://127.0.0.1:{port}/ui/", 404, {}),
        (f"http://127.0.0.1:{port}/v1/kv/?keys", 404, {}),
        (f"{page.root}v1/kv/?keys", 421, {"Host": f"evil.example:{port}"}),
        (f"{page.root}v1/kv/?keys", 403, {"Origin": "http://evil.example"}),
        (f"{page.root}v1/kv/?keys", 403, {"Sec_Fetch_Site": "same-site"}),
        (f"{page.root}v1/kv/?keys", 200, {"Origin": f"http://127.0.0.1:{port}"}),
    ]:
        got = ask(target, **headers)[0]
        assert got == status, (target, headers, got)


def main():
    served = subprocess.Popen([LAB, "--lab", "two-host", "ui"], stdout=subprocess.PIPE, text=True)
    page = Page(served.stdout.readline().strip())
    try:
        for part in [picture, wrong, way, capture, many_hosts, keys, first_look, locks, write, conflict, delete, odd_keys, bytes_of_a_value, many_keys, door]:
            part(page)
            print("ok", part.__name__)
        asked = set(page.requests())
        own = page.root.rsplit(":", 1)[0] + ":"
        elsewhere = [url for url in asked if not url.startswith(own) and not url.startswith(("data:", "chrome:", "about:"))]
        assert not elsewhere, elsewhere
        # A refused write is an answer, and Chromium logs what it answers by 4xx.
        errors = [entry["message"] for entry in page.driver.get_log("browser")
                  if entry["level"] == "SEVERE" and not any(code in entry["message"] for code in ("404 (", "400 (", "409 ("))]
        assert not errors, errors
        print(f"{len(asked)} addresses were asked for, all of them the lab's")
        lab("--lab", "two-host", "down")
        assert served.wait(SOON) == 0
        page.see("#status", "no answer")
    finally:
        page.driver.quit()
        served.kill()


main()
