// The key browser: what is known, what is chosen, and what happens then.
//
//   bytes     keys and values as bytes
//   tree      the keys as a tree
//   store     what is asked of the store
//   dom       elements made of text
//   outline   the tree on the screen
//   json      JSON, laid out
//   value     a key, shown
//   editor    a key, written
//   sessions  who holds what

import { encode, escape, shown } from "./bytes.js";
import { confirm, h, keysSaid, say } from "./dom.js";
import { Editor } from "./editor.js";
import { Outline } from "./outline.js";
import { goToSession, showSessions } from "./sessions.js";
import { OPERATIONS, follow, keys, remove, removeAll, sessions, value } from "./store.js";
import { build, changes, parts, seen } from "./tree.js";
import { emptyView, folderView, goneView, keyView } from "./value.js";

const detail = document.getElementById("detail");
const filter = document.getElementById("filter");
const status = document.getElementById("status");

const state = {
  /** All keys, or null while nobody knows. */
  rows: null,
  /** Their tree, unfiltered. */
  root: build([]),
  sessions: [],
  /** What is chosen. */
  path: "",
  /** The chosen key as it was last read. */
  entry: null,
  /** When that is done. */
  read: Promise.resolve(),
  /** The form in which it is to be shown. */
  form: null,
  editor: null,
  /** Nodes by path. */
  nodes: new Map(),
};

const outline = new Outline(choose, () => detail.focus());

// What changes.

follow(keys, ({ index, value: rows }) => {
  const before = state.rows;
  state.rows = rows;
  state.root = build(rows);
  state.nodes = new Map(seen(state.root, () => true).map(node => [node.path, node]));
  outline.labels = new Map(rows.filter(row => row.label).map(row => [parts(row.key).at(-1), row.label]));
  if (before === null && !state.path) openFirst();
  showTree();
  if (before !== null) outline.flash(changes(before, rows));
  showSessions(state.sessions, rows, choose);
  online(`index ${index} · ${keysSaid(rows.length)}`);
  const now = state.nodes.get(state.path)?.row?.index ?? 0;
  if (before === null || now !== (state.entry?.modify_index ?? 0) || !now) refresh();
}, offline);

follow(sessions, ({ value }) => {
  state.sessions = value ?? [];
  showSessions(state.sessions, state.rows ?? [], choose);
}, offline);

function online(text) {
  status.textContent = text;
  status.classList.remove("off");
}

function offline(error) {
  status.textContent = `no answer: ${error.message}`;
  status.classList.add("off");
}

/** Opens what has nothing beside it, so that the first look shows something. */
function openFirst() {
  let below = state.root.below;
  while (below.length === 1 && below[0].below.length) {
    outline.open.add(below[0].path);
    below = below[0].below;
  }
}

function showTree() {
  const wanted = filter.value.toLowerCase();
  if (!wanted) return outline.show(state.root);
  const found = state.rows.filter(row => {
    const labels = parts(row.key).map(part => outline.labels.get(part) ?? "");
    row.text ??= [shown(row.key), ...labels].join(" ").toLowerCase();
    return row.text.includes(wanted);
  });
  outline.show(build(found), true);
}

// What is chosen.

/** Makes a path the chosen one, unless that would lose what is being written and its author does not want that. */
async function choose(path) {
  if (path === state.path && !state.editor) return outline.select(path);
  if (!(await leave())) return;
  state.path = path;
  state.entry = null;
  state.form = null;
  outline.select(path);
  history.replaceState(null, "", `#${path}`);
  say("");
  await refresh();
}

/** Ends the editor; false: it stays. */
async function leave() {
  const { editor } = state;
  if (editor?.dirty && !(await confirm("Discard what you wrote?", ["It is not saved."], "Discard"))) {
    editor.focus();
    return false;
  }
  state.editor = null;
  return true;
}

let reading = new AbortController();

/** Reads the chosen key again, and shows it. */
function refresh() {
  state.read = read();
  return state.read;
}

async function read() {
  reading.abort();
  reading = new AbortController();
  const { signal } = reading;
  const node = state.nodes.get(state.path);
  try {
    const entry = node?.row ? await value(state.path, signal) : null;
    if (signal.aborted) return;
    state.entry = entry;
  } catch (error) {
    if (!signal.aborted) offline(error);
    return;
  }
  if (state.editor) state.editor.meanwhile(state.entry);
  else showDetail();
}

function showDetail() {
  const node = state.nodes.get(state.path);
  const had = detail.contains(document.activeElement) && document.activeElement !== detail ? document.activeElement : null;
  const acts = {
    go: choose, edit, add, remove: removeChosen, removeAll: removeChosen, session: goToSession,
    form: form => {
      state.form = form;
      showDetail();
    },
  };
  const label = outline.labels.get(parts(state.path).at(-1));
  const views = !state.path ? emptyView(state.rows?.length)
    : state.entry ? keyView(state.entry, label, state.form, acts)
      : node ? folderView(node, label, acts) : goneView(state.path, acts);
  const top = detail.scrollTop;
  detail.replaceChildren(...views);
  detail.scrollTop = top;
  // What had the focus has been made anew.
  if (had) (Array.from(detail.querySelectorAll(had.tagName)).find(other => other.textContent === had.textContent) ?? detail).focus();
}

// What is done.

function open(editor) {
  state.editor = editor;
  detail.replaceChildren(editor.element);
  detail.scrollTop = 0;
  editor.focus();
}

async function edit() {
  // Typed right after a step in the tree it is meant for where that went.
  await state.read;
  if (!state.entry || state.editor) return;
  open(new Editor({ entry: state.entry, done: saved, cancel: back }));
}

async function add() {
  if (!(await leave())) return;
  // Below the folder that is chosen, or beside the key.
  const start = state.path.replace(/[^/]*$/, "");
  open(new Editor({ start, done: saved, cancel: back }));
}

async function back() {
  if (!(await leave())) return;
  await refresh();
  outline.box.focus();
}

async function saved(key) {
  state.editor = null;
  filter.value = "";
  state.path = "";
  await choose(key);
  say(`Saved ${shown(key)}`);
  outline.box.focus();
}

async function removeChosen() {
  await state.read;
  const node = state.nodes.get(state.path);
  if (!node || state.editor) return;
  const rows = node.row ? [node.row] : below(node);
  if (rows.length > OPERATIONS) return say(`More than ${OPERATIONS} keys cannot be deleted at once.`, true);
  const next = outline.neighbour();
  const what = node.row ? shown(node.path) : `${keysSaid(rows.length)} that begin with ${shown(node.path)}`;
  const rule = node.row
    ? `It is deleted only if it is still as you see it, at index ${state.entry?.modify_index ?? node.row.index}.`
    : "They are deleted only if each of them is still as it is now.";
  const held = rows.some(row => row.session) ? ["A session holds it, or some of it."] : [];
  if (!(await confirm(`Delete ${what}?`, [rule, ...held], "Delete"))) return outline.box.focus();
  try {
    const done = node.row ? await remove(node.path, state.entry?.modify_index ?? node.row.index) : await removeAll(rows);
    if (done) {
      if (!node.below.length || !node.row) await choose(next);
      say(`Deleted ${what}`);
    } else {
      say("Not deleted: it was changed meanwhile.", true);
    }
  } catch (error) {
    say(`Not deleted: ${error.message}`, true);
  }
  outline.box.focus();
}

const below = node => seen(node, () => true).filter(other => other.row).map(other => other.row);

function help() {
  const lines = [
    ["↑ ↓ ← →", "move in the tree, open and close"], ["Home End PgUp PgDn", "move far"], ["*", "open all beside"],
    ["Enter", "to the value"], ["Esc", "back to the tree"], ["/", "filter"], ["n", "new key"], ["e", "edit"], ["Del", "delete"],
    ["s", "to the sessions"], ["Ctrl Enter", "save"],
  ];
  const dialog = document.getElementById("dialog");
  dialog.setAttribute("aria-labelledby", "asked");
  dialog.replaceChildren(h("h2", { id: "asked" }, "Keyboard"),
    h("dl", { class: "keys" }, lines.map(([key, what]) => h("div", {}, h("dt", {}, h("kbd", {}, key)), h("dd", {}, what)))),
    h("p", {}, "An edit or a deletion is carried out only if the key is still as you saw it."),
    h("footer", {}, h("button", { type: "button", autofocus: true, onclick: () => dialog.close() }, "Close")));
  dialog.showModal();
}

// Where things come from.

filter.addEventListener("input", showTree);
filter.addEventListener("keydown", event => {
  if (event.key === "Escape") {
    event.preventDefault();
    event.stopPropagation();
    filter.value = "";
    showTree();
    outline.box.focus();
  } else if (event.key === "ArrowDown" || event.key === "Enter") {
    event.preventDefault();
    outline.box.focus();
    if (outline.nodes[outline.at]?.path !== outline.path) outline.go(0);
  }
});

document.getElementById("new").addEventListener("click", add);
document.getElementById("help").addEventListener("click", help);

document.addEventListener("keydown", event => {
  const writes = event.target.closest?.("input, textarea, dialog");
  if (writes || event.ctrlKey || event.metaKey || event.altKey) return;
  const acts = {
    "/": () => filter.select(), "?": help, n: add, e: edit, Delete: removeChosen, Escape: () => outline.box.focus(),
    s: () => document.querySelector("#sessions button, #sessions li")?.focus(),
  };
  const act = acts[event.key];
  if (!act) return;
  event.preventDefault();
  act();
});

window.addEventListener("hashchange", () => choose(fromAddress()));
window.addEventListener("beforeunload", event => state.editor?.dirty && event.preventDefault());

/** The path in the page's address, whoever wrote it. */
function fromAddress() {
  const said = location.hash.slice(1);
  try {
    return escape(encode(decodeURIComponent(said)));
  } catch {
    return said;
  }
}

// Consul's own page has an address for each key, `/ui/dc1/kv/KEY/edit`, and for each folder, `/ui/dc1/kv/FOLDER/`.
const home = `${document.documentElement.dataset.root}ui/`;
const theirs = /^[^/]+\/kv\/(.*?)(\/edit)?$/.exec(location.pathname.slice(home.length));
if (location.pathname !== home) history.replaceState(null, "", home + (theirs ? `#${theirs[1]}` : ""));
state.path = fromAddress();
outline.select(state.path);
outline.box.focus();
