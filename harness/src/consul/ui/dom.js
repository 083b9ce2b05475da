// Elements. What comes from the store becomes text nodes only.

import { spelt, unescape } from "./bytes.js";

/** An element: attributes (`on…` are listeners, false and null are left out), then children: elements and text. */
export function h(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (value !== false && value != null) element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.flat().filter(child => child !== null && child !== false));
  return element;
}

/** Bytes as text, with what cannot be seen spelt out. */
export const bytesShown = bytes => spelt(bytes).map(([text, odd]) => (odd ? h("span", { class: "odd" }, text) : text));

/** An encoded key, likewise. */
export const keyShown = encoded => bytesShown(unescape(encoded));

/** A button with the key that does the same. */
export const button = (label, key, act, attributes = {}) =>
  h("button", { type: "button", onclick: act, ...attributes }, label, key ? h("kbd", {}, key) : null);

/** Says something to who sees, and to who listens. */
export function say(text, bad = false) {
  const said = document.getElementById("said");
  said.textContent = text;
  said.classList.toggle("bad", bad);
}

/** Asks in a dialog; resolves to whether the answer was yes. Escape is no. */
export function confirm(title, lines, yes) {
  const dialog = document.getElementById("dialog");
  return new Promise(resolve => {
    const form = h("form", { method: "dialog" },
      h("h2", { id: "asked" }, title), ...lines.map(line => h("p", {}, line)),
      h("footer", {}, h("button", { value: "yes", class: "danger", autofocus: true }, yes), h("button", { value: "no" }, "Cancel")));
    // The policy lets no form be sent, not even to a dialog.
    form.addEventListener("submit", event => {
      event.preventDefault();
      dialog.close(event.submitter?.value);
    });
    dialog.replaceChildren(form);
    dialog.setAttribute("aria-labelledby", "asked");
    dialog.returnValue = "";
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
    dialog.showModal();
  });
}

export const bytesSaid = count => (count === 1 ? "1 byte" : `${count.toLocaleString("en")} bytes`);
export const keysSaid = count => (count === 1 ? "1 key" : `${count.toLocaleString("en")} keys`);
