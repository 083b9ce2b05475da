// JSON, laid out anew and otherwise untouched: numbers keep their digits, objects their order and their doubles.

import { h } from "./dom.js";

/** Longer texts are shown as they are. */
const LONGEST = 100_000;
/** What fits in so many characters stays on one line. */
const WIDTH = 72;

const TOKEN = /\s*("(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+)/gy;

/** Whether a text is an object or an array. */
export function isJson(text) {
  if (text.length > LONGEST || !/^\s*[{[]/.test(text)) return false;
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** The tokens of a text that is JSON, as nested lists: `["{", [key, node]…]`, `["[", node…]` or a token. */
function parse(text) {
  const tokens = Array.from(text.matchAll(TOKEN), match => match[1]);
  let at = 0;
  const node = () => {
    const token = tokens[at++];
    if (token !== "{" && token !== "[") return token;
    const list = [token];
    const end = token === "{" ? "}" : "]";
    while (tokens[at] !== end) {
      if (tokens[at] === ",") at++;
      if (token === "[") {
        list.push(node());
      } else {
        const key = tokens[at++];
        at++; // the colon
        list.push([key, node()]);
      }
    }
    at++;
    return list;
  };
  return node();
}

function flat(node) {
  if (typeof node === "string") return node;
  const [open, ...rest] = node;
  if (!rest.length) return open === "{" ? "{}" : "[]";
  return open === "{"
    ? `{ ${rest.map(([key, value]) => `${key}: ${flat(value)}`).join(", ")} }`
    : `[${rest.map(flat).join(", ")}]`;
}

/** The JSON that stands as text in a string of JSON, or null. */
function inner(token) {
  if (token[0] !== '"') return null;
  const text = JSON.parse(token);
  return isJson(text) ? parse(text) : null;
}

const hasInner = node => (typeof node === "string" ? inner(node) !== null
  : node.slice(1).some(entry => hasInner(node[0] === "{" ? entry[1] : entry)));

/** Shows a text that is JSON. */
export function pretty(text) {
  const out = h("pre", { class: "value json", tabindex: "0", "aria-label": "Value, JSON" });
  const put = (text, kind) => out.append(kind ? h("span", { class: kind }, text) : text);
  const scalar = token => put(token, token[0] === '"' ? "text" : /^[-0-9]/.test(token) ? "number" : "word");
  const line = (node, room) => {
    if (typeof node === "string") return true;
    return flat(node).length <= room && !hasInner(node);
  };
  const show = (node, indent) => {
    if (typeof node === "string") {
      const within = inner(node);
      if (within === null) return scalar(node);
      put("as text ", "note");
      return show(within, indent);
    }
    const [open, ...rest] = node;
    const close = open === "{" ? "}" : "]";
    if (!rest.length) return put(open + close);
    const one = line(node, WIDTH - indent);
    put(open + (one && open === "{" ? " " : ""));
    rest.forEach((entry, number) => {
      if (number) put(one ? ", " : ",");
      if (!one) put("\n" + " ".repeat(indent + 2));
      if (open === "{") {
        put(entry[0], "name");
        put(": ");
      }
      show(open === "{" ? entry[1] : entry, indent + 2);
    });
    put(one ? (open === "{" ? " " : "") : "\n" + " ".repeat(indent));
    put(close);
  };
  show(parse(text), 0);
  return out;
}
