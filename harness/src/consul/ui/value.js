// A key, shown: what is known of it, its value in the form that suits it, and what that means.

import { decode, encode, unbase64 } from "./bytes.js";
import { button, bytesSaid, bytesShown, h, keyShown, keysSaid } from "./dom.js";
import { isJson, pretty } from "./json.js";
import { OPERATIONS, href } from "./store.js";

/** As much of a long value is shown at first, in bytes. */
const FIRST = 16_384;

/** Whether bytes are text that a person can read and a text field gives back as it was. */
export function asText(bytes) {
  const text = decode(bytes);
  return text !== null && !/[^\P{Cc}\t\n]/u.test(text) ? text : null;
}

/** The forms in which a value can be shown, the one that suits it first. */
export function forms(bytes) {
  if (!bytes.length) return ["empty"];
  const text = asText(bytes);
  if (text === null) return ["hex"];
  return isJson(text) ? ["json", "text", "hex"] : ["text", "hex"];
}

/** A hex dump: offset, sixteen bytes, and those of them that are ASCII. */
function dump(bytes) {
  const lines = [];
  for (let at = 0; at < bytes.length; at += 16) {
    const line = Array.from(bytes.subarray(at, at + 16));
    const digits = line.map(byte => byte.toString(16).padStart(2, "0"));
    const text = line.map(byte => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : "·")).join("");
    const left = digits.slice(0, 8).join(" ");
    lines.push(`${at.toString(16).padStart(6, "0")}  ${left.padEnd(23)}  ${digits.slice(8).join(" ").padEnd(23)}  ${text}`);
  }
  return lines.join("\n");
}

/** A value in one form. */
export function shape(bytes, form) {
  if (form === "empty") return h("p", { class: "none" }, "The value is empty.");
  if (form === "json") return pretty(asText(bytes));
  const cut = bytes.length > FIRST;
  const part = cut ? bytes.subarray(0, FIRST) : bytes;
  const fill = bytes => (form === "hex" ? [dump(bytes)] : textShown(bytes));
  const box = h("pre", { class: `value ${form}`, tabindex: "0", "aria-label": `Value, ${form}` }, fill(part));
  if (!cut) return box;
  const more = button(`Show all ${bytesSaid(bytes.length)}`, null, () => {
    box.replaceChildren(...fill(bytes));
    more.remove();
    box.focus();
  });
  return h("div", { class: "long" }, box, more);
}

/** Text with its lines and tabs; all else that cannot be seen is spelt out. */
function textShown(bytes) {
  const lines = [];
  let from = 0;
  for (let at = 0; at <= bytes.length; at++) {
    if (at < bytes.length && bytes[at] !== 10 && bytes[at] !== 9) continue;
    lines.push(...bytesShown(bytes.subarray(from, at)));
    if (at < bytes.length) lines.push(String.fromCharCode(bytes[at]));
    from = at + 1;
  }
  return lines;
}

/** What of a pool is in use. */
function inUse(said) {
  if (said.unknown !== undefined) return h("section", { class: "use bad" }, h("h3", {}, "In use"), h("p", {}, said.unknown));
  const { what, of, used, ranges, more } = said.known;
  const percent = part => `${(100 * part) / of}%`;
  const bar = h("div", { class: "bar", "aria-hidden": "true" });
  for (const [[first], [last]] of ranges) {
    const mark = h("i");
    mark.style.left = percent(first);
    mark.style.width = `max(2px, ${percent(last - first + 1)})`;
    bar.append(mark);
  }
  const item = ([[first, from], [last, to]]) =>
    h("li", {}, from, last > first ? [h("span", { class: "to" }, "–"), to, h("small", {}, String(last - first + 1))] : []);
  return h("section", { class: "use", "aria-label": "In use" },
    h("h3", {}, "In use"), h("p", {}, h("b", {}, used.toLocaleString("en")), ` of ${of.toLocaleString("en")} ${what}`), bar,
    h("ul", {}, ranges.map(item), more ? h("li", { class: "none" }, "… and more") : null));
}

const fact = (name, ...value) => h("div", {}, h("dt", {}, name), h("dd", {}, ...value));

/** The key's path, each folder of it a way there. */
function title(path, go, label = null) {
  const names = path.match(/[^/]*\/|[^/]+/g) ?? [];
  const crumbs = names.map((name, at) => {
    const to = names.slice(0, at + 1).join("");
    return at + 1 === names.length ? h("b", {}, keyShown(name))
      : h("button", { type: "button", class: "crumb", onclick: () => go(to) }, keyShown(name));
  });
  return h("h2", {}, crumbs, label && h("span", { class: "label" }, bytesShown(encode(label))));
}

/** A key. `acts`: `go`, `edit`, `remove`, `session`, `form`. */
export function keyView(entry, label, form, acts) {
  const bytes = unbase64(entry.value);
  const known = forms(bytes);
  const chosen = known.includes(form) ? form : known[0];
  const raw = href(entry.key);
  const tabs = known.length > 1 && h("div", { class: "forms", role: "group", "aria-label": "Show as" },
    known.map(name => h("button", { type: "button", "aria-pressed": String(name === chosen), onclick: () => acts.form(name) },
      { json: "JSON", text: "Text", hex: "Hex" }[name])));
  return [
    title(entry.key, acts.go, label),
    h("dl", {},
      fact("ModifyIndex", String(entry.modify_index)), fact("CreateIndex", String(entry.create_index)),
      fact("LockIndex", String(entry.lock_index)), fact("Flags", entry.flags), fact("Value", bytesSaid(bytes.length)),
      entry.session ? fact("Held by", h("button", { type: "button", class: "link", onclick: () => acts.session(entry.session) }, entry.session)) : null),
    h("div", { class: "bar-of-buttons" },
      button("Edit", "e", acts.edit), button("Delete", "Del", acts.remove),
      raw && h("a", { href: `${raw}?raw`, target: "_blank", rel: "noreferrer" }, "Raw"), tabs),
    entry.in_use ? inUse(entry.in_use) : null,
    shape(bytes, chosen),
  ].filter(part => part);
}

/** A folder that is no key itself. `acts`: `go`, `add`, `removeAll`. */
export function folderView(node, label, acts) {
  const few = node.keys <= OPERATIONS;
  return [
    title(node.path, acts.go, label),
    h("p", {}, `No key has this name; ${keysSaid(node.keys)} ${node.keys === 1 ? "begins" : "begin"} with it.`),
    h("div", { class: "bar-of-buttons" },
      button("New key here", "n", acts.add),
      few ? button(`Delete ${keysSaid(node.keys)}`, "Del", acts.removeAll) : null),
    few ? null : h("p", { class: "none" }, `More than ${OPERATIONS} keys cannot be deleted at once; see lab kv rm --recurse.`),
  ].filter(part => part);
}

/** A key that is not there. */
export const goneView = (path, acts) => [
  title(path, acts.go),
  h("p", { class: "none" }, "There is no such key any more."),
];

/** Nothing is chosen. */
export const emptyView = keys => [
  h("p", { class: "none" }, keys ? "Choose a key." : "There are no keys yet."),
];
