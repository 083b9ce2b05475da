// The tree on the screen: the rows that can be seen and no others, one of them current. Keyboard as in the ARIA practices for trees.

import { encode, shown } from "./bytes.js";
import { bytesShown, h, keyShown, keysSaid } from "./dom.js";
import { parts, seen } from "./tree.js";

/** The height of a row in pixels, as in the style. */
const ROW = 22;
/** What is left free above the first row and below the last, in pixels, as in the style. */
const EDGE = 4;
/** How many rows beyond the edges are there already. */
const MARGIN = 8;
/** How long a change is to be seen, in milliseconds; as in the style. */
const FRESH = 1600;

export class Outline {
  /** `choose(path)` is called when another row becomes current, `act(name)` for keys that do something with it. */
  constructor(choose, act) {
    this.choose = choose;
    this.act = act;
    this.box = document.getElementById("tree");
    this.rows = document.getElementById("rows");
    this.open = new Set();
    this.filtered = false;
    this.nodes = [];
    this.path = "";
    this.at = 0;
    this.fresh = new Map();
    /** Whose an id is, by the name of its nodes. */
    this.labels = new Map();
    this.box.addEventListener("scroll", () => this.draw());
    this.box.addEventListener("keydown", event => this.key(event));
    this.box.addEventListener("mousedown", event => this.press(event));
    this.box.addEventListener("dblclick", event => this.press(event, true));
    new ResizeObserver(() => this.draw()).observe(this.box);
  }

  /** Shows a tree; of a filtered one all is open. */
  show(root, filtered = false) {
    this.root = root;
    this.filtered = filtered;
    this.layOut();
  }

  layOut() {
    this.nodes = seen(this.root, node => this.isOpen(node));
    const at = this.nodes.findIndex(node => node.path === this.path);
    this.at = at < 0 ? Math.min(this.at, Math.max(this.nodes.length - 1, 0)) : at;
    if (at >= 0 && this.wanted) {
      this.wanted = false;
      this.reveal();
    }
    this.rows.style.height = `${this.nodes.length * ROW}px`;
    this.draw();
  }

  isOpen(node) {
    return node.below.length > 0 && (this.filtered || this.open.has(node.path));
  }

  /** Marks what has changed; of what cannot be seen, the folder that hides it. */
  flash(keys) {
    const now = performance.now();
    const paths = new Set(this.nodes.map(node => node.path));
    for (const key of keys) {
      const names = parts(key);
      while (names.length && !paths.has(names.join(""))) names.pop();
      if (names.length) this.fresh.set(names.join(""), now);
    }
    this.draw();
  }

  /** Makes a path current, opens what hides it, and brings it into view as soon as it is there. */
  select(path) {
    this.path = path;
    const names = parts(path);
    for (let count = 1; count < names.length; count++) this.open.add(names.slice(0, count).join(""));
    this.wanted = true;
    if (this.root) this.layOut();
  }

  /** The path that is to be current when the current one is gone. */
  neighbour() {
    const node = this.nodes[this.at];
    if (!node) return "";
    const end = this.nodes.findIndex((other, at) => at > this.at && other.level <= node.level);
    const beside = end >= 0 && this.nodes[end].level === node.level ? this.nodes[end] : node.up.below[node.at - 1];
    return (beside ?? (node.up.level ? node.up : null))?.path ?? "";
  }

  reveal() {
    const top = this.at * ROW;
    const bottom = top + ROW + 2 * EDGE;
    if (top < this.box.scrollTop) this.box.scrollTop = top;
    else if (bottom > this.box.scrollTop + this.box.clientHeight) this.box.scrollTop = bottom - this.box.clientHeight;
  }

  draw() {
    const now = performance.now();
    const first = Math.max(Math.floor(this.box.scrollTop / ROW) - MARGIN, 0);
    const last = Math.min(Math.ceil((this.box.scrollTop + this.box.clientHeight) / ROW) + MARGIN, this.nodes.length);
    const drawn = new Set();
    for (let at = first; at < last; at++) drawn.add(at);
    // Also where it cannot be seen: it is what the tree says is current.
    if (this.nodes[this.at]?.path === this.path) drawn.add(this.at);
    this.rows.replaceChildren(...Array.from(drawn, at => this.row(at, now)));
    const current = this.nodes[this.at]?.path === this.path ? `row-${this.at}` : null;
    if (current) this.box.setAttribute("aria-activedescendant", current);
    else this.box.removeAttribute("aria-activedescendant");
  }

  row(at, now) {
    const node = this.nodes[at];
    const folder = node.below.length > 0;
    const row = h("div", {
      id: `row-${at}`, role: "treeitem", "data-at": at, class: node.row ? "row key" : "row",
      "aria-level": node.level, "aria-setsize": node.up.below.length, "aria-posinset": node.at + 1,
      "aria-expanded": folder ? String(this.isOpen(node)) : null,
      "aria-selected": String(at === this.at && node.path === this.path),
    },
    h("span", { class: "twisty", "aria-hidden": "true" }),
    h("span", { class: "name", title: node.name.length > 40 ? shown(node.name) : null }, node.name === "/" ? h("span", { class: "odd" }, "/") : keyShown(node.name)),
    this.labels.has(node.name) ? h("span", { class: "label" }, bytesShown(encode(this.labels.get(node.name)))) : null,
    node.row?.session ? h("span", { class: "lock", title: "held by a session" }, "held") : null,
    folder ? h("span", { class: "count", title: keysSaid(node.keys) }, String(node.keys)) : null);
    row.style.transform = `translateY(${at * ROW}px)`;
    row.style.paddingLeft = `${(node.level - 1) * 14 + 6}px`;
    const age = now - (this.fresh.get(node.path) ?? -Infinity);
    if (age < FRESH) {
      row.classList.add("fresh");
      row.style.animationDelay = `-${age}ms`;
    } else {
      this.fresh.delete(node.path);
    }
    return row;
  }

  press(event, twice = false) {
    const row = event.target.closest(".row");
    if (!row || event.button !== 0) return;
    // The row is made anew before the browser would give the focus to what it is in.
    event.preventDefault();
    this.box.focus({ preventScroll: true });
    const at = Number(row.dataset.at);
    const node = this.nodes[at];
    const onTwisty = event.target.closest(".twisty");
    // A double click's two presses have made it current already.
    if (node.below.length && !this.filtered && (twice ? !onTwisty : onTwisty)) this.turn(node, !this.isOpen(node));
    else if (!twice) this.go(at);
  }

  turn(node, open) {
    if (open) this.open.add(node.path);
    else this.open.delete(node.path);
    this.layOut();
  }

  go(at) {
    const node = this.nodes[Math.max(0, Math.min(at, this.nodes.length - 1))];
    if (node) this.choose(node.path);
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const node = this.nodes[this.at];
    const page = Math.max(1, Math.floor(this.box.clientHeight / ROW) - 1);
    const here = node?.path === this.path;
    const steps = {
      ArrowDown: () => this.go(here ? this.at + 1 : this.at),
      ArrowUp: () => this.go(here ? this.at - 1 : this.at),
      PageDown: () => this.go(this.at + page),
      PageUp: () => this.go(this.at - page),
      Home: () => this.go(0),
      End: () => this.go(this.nodes.length - 1),
      ArrowRight: () => {
        if (!node?.below.length) return;
        if (this.isOpen(node)) this.go(this.at + 1);
        else this.turn(node, true);
      },
      ArrowLeft: () => {
        if (node && this.isOpen(node) && !this.filtered) this.turn(node, false);
        else if (node?.up.level) this.go(this.nodes.indexOf(node.up));
      },
      "*": () => {
        for (const beside of node?.up.below ?? []) if (beside.below.length) this.open.add(beside.path);
        this.layOut();
      },
      Enter: () => this.act("enter"),
      " ": () => node?.below.length && this.turn(node, !this.isOpen(node)),
    };
    const step = steps[event.key];
    if (!step) return;
    event.preventDefault();
    step();
  }
}
