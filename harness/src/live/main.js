// A lab's page: what is known of it, what is chosen, and what happens then.
//
//   lab       what is asked of the lab
//   picture   the picture: its size, what is chosen in it, what passes
//   room      a namespace's tables
//   tools     faults, a packet followed, a capture
//   dom       elements made of text; the key browser's, too

import { button, h, say } from "./dom.js";
import { events, look, picture, room } from "./lab.js";
import { choose, fit, isTraced, onChoose, rooms, show, traffic, zoom } from "./picture.js";
import { tables } from "./room.js";
import { build, healAll, places, typeFault, typeTrace, wrong } from "./tools.js";

const status = document.getElementById("status");
const roomBox = document.getElementById("room");
const list = document.getElementById("events");
/** From one look to the next, and before asking again a lab that did not answer, in milliseconds. */
const PACE = 1000;
/** So many events are in the page. */
const KEPT = 200;

const state = { graph: null, before: null, at: 0, room: null, wake: () => {} };

// What changes.

async function watch() {
  for (;;) {
    await visible();
    try {
      // One after the other: a lab that is slow is not asked more often than it answers.
      await seen(await look());
    } catch (error) {
      offline(error);
    }
    await new Promise(resolve => {
      state.wake = resolve;
      setTimeout(resolve, PACE);
    });
  }
}

async function seen(now) {
  const at = performance.now();
  document.getElementById("name").textContent = now.name;
  document.title = now.name;
  document.getElementById("keys").hidden = !now.store;
  places(now.hosts, now.containers);
  wrong(now.faults);
  if (now.graph !== state.graph && !isTraced()) {
    const drawn = await picture();
    // A packet may have been followed meanwhile.
    if (!isTraced()) {
      show(drawn);
      state.graph = now.graph;
    }
  }
  if (state.before) traffic(state.before, now.counters, (at - state.at) / 1000);
  state.before = now.counters;
  state.at = at;
  const down = now.hosts.filter(host => !host.up).length;
  const said = [`${now.hosts.length} hosts`, `${now.containers.length} containers`];
  if (down) said.push(`${down} down`);
  if (now.faults.length) said.push(now.faults.length === 1 ? "1 fault" : `${now.faults.length} faults`);
  status.textContent = said.join(" · ");
  status.classList.toggle("off", down > 0 || now.faults.length > 0);
  if (state.room) await refresh();
}

function offline(error) {
  status.textContent = `no answer: ${error.message}`;
  status.classList.add("off");
}

async function listen() {
  let from = 0;
  for (;;) {
    await visible();
    try {
      const { events: all, next } = await events(from);
      from = next;
      for (const event of all) {
        list.prepend(h("li", { class: event.what === "fault" || event.what === "crash" ? "bad" : null },
          h("time", {}, event.at.slice(11, 23)), h("b", {}, event.what), event.text));
      }
      while (list.children.length > KEPT) list.lastChild.remove();
      // What happened may have changed the picture.
      state.wake();
    } catch {
      // It is said elsewhere that there is no answer; a lab that comes again begins anew.
      await new Promise(resolve => setTimeout(resolve, PACE));
    }
  }
}

const visible = () => new Promise(resolve => {
  const looks = () => {
    if (document.hidden) return;
    document.removeEventListener("visibilitychange", looks);
    resolve();
  };
  document.addEventListener("visibilitychange", looks);
  looks();
});

// What is chosen.

async function chooseRoom(name) {
  state.room = name;
  choose(name);
  await refresh(true);
  roomBox.focus();
}

async function refresh(anew = false) {
  const name = state.room;
  let shown;
  try {
    shown = tables(await room(name));
  } catch (error) {
    shown = [h("p", { class: "none" }, error.message)];
  }
  if (name !== state.room) return;
  const open = new Map(Array.from(roomBox.querySelectorAll("details"), one => [one.querySelector("summary").firstChild.data, one.open]));
  const { scrollTop } = roomBox;
  if (!anew) {
    for (const one of shown.filter(one => one.localName === "details")) {
      const was = open.get(one.querySelector("summary").firstChild.data);
      if (was !== undefined) one.open = was;
    }
    // Somebody reads or selects here: it is not taken from under their eyes.
    if (roomBox.contains(document.activeElement) && document.activeElement !== roomBox) return;
  }
  roomBox.replaceChildren(h("h2", {}, name, button("Close", "Esc", close)), ...shown);
  roomBox.scrollTop = scrollTop;
}

function close() {
  state.room = null;
  choose(null);
  roomBox.replaceChildren();
  document.getElementById("picture").focus();
}

// A packet's way stays until it is put away.

function traced(drawn) {
  show(drawn, true);
  const back = button("Back to now", "Esc", untrace, { id: "back" });
  document.getElementById("back")?.remove();
  document.querySelector("header").insertBefore(back, status);
  document.getElementById("picture").scrollTo(0, 0);
}

async function untrace() {
  document.getElementById("back")?.remove();
  state.graph = null;
  try {
    const drawn = await picture();
    // Another one may have been followed meanwhile.
    if (!document.getElementById("back")) show(drawn);
  } catch (error) {
    say(error.message, true);
  }
}

// By the keyboard.

const KEYS = [
  ["Tab, Enter", "go from namespace to namespace, and open its tables"],
  ["n, p", "the next namespace, the one before"],
  ["+ −", "larger, smaller"], ["0", "as wide as the page; again: all of it"],
  ["f", "type a fault"], ["t", "follow a packet"], ["h", "heal all"],
  ["Esc", "close what is open"], ["k", "the store's keys"],
];

function help() {
  const dialog = document.getElementById("dialog");
  dialog.setAttribute("aria-labelledby", "asked");
  dialog.replaceChildren(h("h2", { id: "asked" }, "Keyboard"),
    h("dl", { class: "keys" }, KEYS.map(([keys, what]) => h("div", {}, h("dt", {}, h("kbd", {}, keys)), h("dd", {}, what)))),
    h("footer", {}, h("button", { type: "button", autofocus: true, onclick: () => dialog.close() }, "Close")));
  dialog.showModal();
}

function step(by) {
  const all = rooms();
  if (!all.length) return;
  const at = all.indexOf(state.room);
  chooseRoom(all[at < 0 ? 0 : (at + by + all.length) % all.length]);
}

const ACTS = {
  "+": () => zoom(1.25), "=": () => zoom(1.25), "-": () => zoom(0.8), 0: fit,
  f: typeFault, t: typeTrace, h: healAll, n: () => step(1), p: () => step(-1), "?": help,
  k: () => document.getElementById("keys").hidden || document.getElementById("keys").click(),
};

document.addEventListener("keydown", event => {
  if (event.ctrlKey || event.altKey || event.metaKey || document.getElementById("dialog").open) return;
  if (event.key === "Escape") {
    if (event.target.matches("input, select")) return document.getElementById("picture").focus();
    if (state.room) return close();
    if (isTraced()) untrace();
    return;
  }
  if (event.target.matches("input, select, textarea")) return;
  const act = ACTS[event.key];
  if (!act) return;
  event.preventDefault();
  act();
});

document.getElementById("larger").addEventListener("click", ACTS["+"]);
document.getElementById("smaller").addEventListener("click", ACTS["-"]);
document.getElementById("fit").addEventListener("click", ACTS[0]);
document.getElementById("help").addEventListener("click", help);
onChoose(chooseRoom);
build(traced);
watch();
listen();
