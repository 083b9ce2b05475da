// What one can do to a lab: make something go wrong, heal it, follow a packet, capture.

import { button, h, say } from "./dom.js";
import { capture, fault, heal, trace } from "./lab.js";

const box = document.getElementById("tools");
const list = document.getElementById("faults");
const element = { fault: null, from: null, to: null, port: null, where: null };

/** How long a browser may take to begin to keep a file, in milliseconds: it does not say when it has. */
const KEEPING = 60_000;

/** What `lab fault` is typed with, for a button each. */
const PRESETS = [
  ["Crash", host => `crash ${host}`],
  ["Pause", host => `pause ${host}`],
  ["Engine", host => `engine ${host}`],
  ["Isolate", host => `partition isolate ${host}`],
  ["Delay 50 ms", host => `wire ${host} --delay 50ms`],
  ["Lose 30 %", host => `wire ${host} --loss 30%`],
];

async function tried(act) {
  try {
    say(await act());
  } catch (error) {
    say(error.message, true);
  }
}

const inject = words => words.trim() && tried(() => fault(words));

/** Heals all that is wrong. */
export const healAll = () => tried(() => heal(""));

/** Has the words of a fault be typed. */
export const typeFault = () => element.fault.focus();
export const typeTrace = () => element.from.focus();

/** Makes the tools, once; `traced` is given a packet's way. */
export function build(traced) {
  const host = h("select", { "aria-label": "Host", id: "host" });
  element.host = host;
  element.fault = h("input", { id: "words", class: "wide", "aria-label": "Fault, as after lab fault", placeholder: "wire docker0 --up --loss 10%", autocomplete: "off", spellcheck: "false" });
  element.from = h("input", { id: "from", "aria-label": "From", list: "places", size: 10, autocomplete: "off", spellcheck: "false" });
  element.to = h("input", { id: "to", "aria-label": "To", list: "places", size: 14, autocomplete: "off", spellcheck: "false" });
  element.protocol = h("select", { id: "protocol", "aria-label": "Protocol" }, ["icmp", "tcp", "udp"].map(name => h("option", {}, name)));
  element.port = h("input", { id: "port", "aria-label": "Port", size: 5, placeholder: "port", inputmode: "numeric", autocomplete: "off" });
  element.where = h("input", { id: "where", "aria-label": "Where to capture", list: "places", size: 12, placeholder: "everywhere", autocomplete: "off", spellcheck: "false" });
  element.count = h("input", { id: "count", "aria-label": "Packets at most", type: "number", min: 1, max: 100000, value: 100 });
  element.seconds = h("input", { id: "seconds", "aria-label": "Seconds at most", type: "number", min: 1, max: 60, value: 5 });
  const submits = (id, act, ...children) => h("form", {
    id,
    // The policy lets no form be sent.
    onsubmit: event => {
      event.preventDefault();
      act();
    },
  }, ...children);
  const follow = () => tried(async () => {
    const [from, to, port] = [element.from, element.to, element.port].map(field => field.value.trim());
    if (!from || !to) throw new Error("From where, and to whom?");
    const protocol = element.protocol.value;
    if (protocol !== "icmp" && !port) throw new Error("To which port?");
    traced(await trace({ from, to, ...(protocol === "icmp" ? {} : { [protocol]: port }) }));
    return `A packet from ${from} to ${to}: its way is in the picture.`;
  });
  const save = () => tried(async () => {
    const [on, count, seconds] = [element.where, element.count, element.seconds].map(field => field.value.trim());
    say(`Capturing: at most ${count} packets, at most ${seconds} s.`);
    const file = URL.createObjectURL(await capture({ on, count, for: seconds }));
    h("a", { href: file, download: "lab.pcapng" }).click();
    setTimeout(() => URL.revokeObjectURL(file), KEEPING);
    return "Captured: lab.pcapng.";
  });
  box.replaceChildren(
    h("h2", {}, "Do"),
    h("datalist", { id: "places" }),
    h("div", { class: "line" }, host, PRESETS.map(([label, words]) => h("button", { type: "button", onclick: () => inject(words(host.value)) }, label))),
    submits("fault", () => inject(element.fault.value), h("div", { class: "line" }, h("code", {}, "lab fault"), element.fault, h("button", {}, "Inject"))),
    submits("trace", follow, h("div", { class: "line" }, h("code", {}, "lab trace"), element.from, element.to, element.protocol, element.port, h("button", {}, "Trace"))),
    submits("capture", save, h("div", { class: "line" }, h("code", {}, "lab capture"), element.where, element.count, "packets,", element.seconds, "s", h("button", {}, "Save"))));
}

/** Those that there are to choose from. */
export function places(hosts, containers) {
  const names = hosts.map(host => host.name);
  replace(element.host, names, name => h("option", {}, name));
  replace(document.getElementById("places"), [...names, ...containers], name => h("option", { value: name }));
}

function replace(parent, names, make) {
  const had = Array.from(parent.children, child => child.value);
  if (had.join("\n") === names.join("\n")) return;
  const chosen = parent.value;
  parent.replaceChildren(...names.map(make));
  if (names.includes(chosen)) parent.value = chosen;
}

let listed = "";

/** What is wrong, with a button to heal each. */
export function wrong(faults) {
  const now = JSON.stringify(faults);
  if (now === listed) return;
  listed = now;
  const hadFocus = list.contains(document.activeElement);
  const row = one => h("li", {}, h("span", {}, one.what), h("button", { type: "button", onclick: () => tried(() => heal(String(one.id))) }, "Heal"));
  list.replaceChildren(...(faults.length
    ? [h("h2", {}, "Wrong ", button("Heal all", "h", healAll)), h("ul", {}, faults.map(row))]
    : []));
  if (hadFocus) (list.querySelector("button") ?? document.getElementById("picture")).focus();
}
