// A value that is being written, and what came of the key meanwhile: that is never overwritten.

import { decode, encode, escape, hex, unbase64, unescape, unhex } from "./bytes.js";
import { button, h, keyShown, say } from "./dom.js";
import { value, write } from "./store.js";
import { asText, forms, shape } from "./value.js";

/** The largest value that Consul keeps, in bytes (`kv_max_value_size`). */
const LONGEST = 524_288;

/** What may stand for bytes in the field, and back again. */
const FORMS = {
  text: { name: "Text", to: asText, from: encode },
  hex: { name: "Hex", to: bytes => hex(bytes, " ").replace(/((?:\S\S ){15}\S\S) /g, "$1\n"), from: unhex },
};

export class Editor {
  /** Edits `entry`, or makes a new key that begins with `start`. `done(key)` and `cancel()` end it. */
  constructor({ entry = null, start = "", done, cancel }) {
    this.done = done;
    this.cancel = cancel;
    this.key = entry?.key ?? null;
    this.start = decode(unescape(start)) ?? "";
    this.base = entry;
    const bytes = entry ? unbase64(entry.value) : new Uint8Array();
    this.form = FORMS.text.to(bytes) === null ? "hex" : "text";

    this.name = this.key === null && h("input", {
      id: "name", class: "wide", value: this.start, autocomplete: "off", spellcheck: "false", required: true,
    });
    this.field = h("textarea", { id: "value", spellcheck: "false", wrap: "off", rows: "6" });
    this.flags = h("input", { id: "flags", inputmode: "numeric", pattern: "[0-9]+", size: "22", value: entry?.flags ?? "0" });
    this.field.value = this.written = FORMS[this.form].to(bytes);
    this.forms = h("div", { class: "forms", role: "group", "aria-label": "Write as" });
    this.news = h("section", { class: "news", role: "alert" });
    this.rule = h("p", { class: "rule" });
    this.element = h("form", { class: "editor", onsubmit: event => event.preventDefault() },
      h("h2", {}, this.key === null ? "New key" : keyShown(this.key)),
      this.name && h("label", { for: "name" }, "Key", this.name),
      h("div", { class: "line" }, h("label", { for: "value" }, "Value"), this.forms),
      this.field,
      h("div", { class: "line" }, h("label", { for: "flags" }, "Flags ", this.flags)),
      this.news, this.rule,
      h("div", { class: "bar-of-buttons" },
        button("Save", "Ctrl Enter", () => this.save(), { class: "main" }), button("Cancel", "Esc", cancel)));
    this.element.addEventListener("keydown", event => this.pressed(event));
    this.draw();
  }

  focus() {
    const field = this.name || this.field;
    field.focus();
    const end = field === this.name ? field.value.length : 0;
    field.setSelectionRange(end, end);
  }

  /** Whether something would be lost with it. */
  get dirty() {
    return this.field.value !== this.written || this.flags.value !== (this.base?.flags ?? "0")
      || (this.name && this.name.value !== this.start);
  }

  pressed(event) {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey || event.target === this.name)) {
      event.preventDefault();
      if (event.target === this.name && !(event.ctrlKey || event.metaKey)) this.field.focus();
      else this.save();
    } else if (event.key === "Escape") {
      event.preventDefault();
      event.stopPropagation();
      this.cancel();
    }
  }

  draw() {
    this.forms.replaceChildren(...Object.entries(FORMS).map(([form, { name }]) =>
      h("button", { type: "button", "aria-pressed": String(form === this.form), onclick: () => this.turn(form) }, name)));
    const kept = this.base?.session ? " The session that holds the key keeps it; the LockIndex becomes 0." : "";
    this.rule.textContent = this.key === null
      ? "Saved only if there is no such key yet."
      : this.base
        ? `Saved only if the key is still as it was at index ${this.base.modify_index}: what others write meanwhile is never overwritten.${kept}`
        : "Saved only if there is still no such key.";
  }

  /** The bytes in the field, or null, and why is said. */
  bytes() {
    const bytes = FORMS[this.form].from(this.field.value);
    if (bytes === null) say("Not saved: hexadecimal digits come in pairs, two for a byte.", true);
    else if (bytes.length > LONGEST) say(`Not saved: a value has at most ${LONGEST.toLocaleString("en")} bytes.`, true);
    else return bytes;
    this.field.focus();
    return null;
  }

  turn(form) {
    const bytes = FORMS[this.form].from(this.field.value);
    const text = bytes && FORMS[form].to(bytes);
    if (text === null) return say("This is not text: it has bytes in it that a text field would change.", true);
    const was = this.field.value === this.written;
    this.form = form;
    this.field.value = text;
    if (was) this.written = text;
    this.draw();
    this.field.focus();
  }

  /** Hears how the key is now. */
  meanwhile(entry) {
    if (this.key === null || (entry?.modify_index ?? 0) === (this.base?.modify_index ?? 0)) return;
    this.tell(entry, "Saving would be refused: ");
  }

  tell(entry, what) {
    const bytes = entry && unbase64(entry.value);
    const how = entry ? `somebody wrote this key meanwhile, at index ${entry.modify_index}.` : "somebody deleted this key meanwhile.";
    this.news.replaceChildren(h("p", {}, h("b", {}, what), how, " What you wrote is still here."),
      ...(entry ? [h("p", {}, "Theirs:"), shape(bytes, forms(bytes)[0])] : []),
      h("div", { class: "bar-of-buttons" },
        entry ? button("Take theirs", null, () => this.rebase(entry, true)) : null,
        button(entry ? `Keep mine, on top of index ${entry.modify_index}` : "Keep mine, as a new key", null, () => this.rebase(entry, false))));
  }

  /** Goes on from what is there now. */
  rebase(entry, theirs) {
    const bytes = entry ? unbase64(entry.value) : new Uint8Array();
    const text = FORMS[this.form].to(bytes);
    this.base = entry;
    if (theirs) {
      if (text === null) this.form = "hex";
      this.field.value = text ?? FORMS.hex.to(bytes);
      this.flags.value = entry.flags;
      this.written = this.field.value;
    } else {
      // It differs from what is there, or might.
      this.written = null;
    }
    this.news.replaceChildren();
    this.draw();
    this.field.focus();
  }

  async save() {
    const key = this.key ?? escape(encode(this.name.value));
    if (key === "") {
      say("Not saved: a key needs a name.", true);
      return this.name.focus();
    }
    if (!/^[0-9]+$/.test(this.flags.value)) {
      say("Not saved: flags are a number from 0 to 18446744073709551615.", true);
      return this.flags.focus();
    }
    const bytes = this.bytes();
    if (bytes === null || this.saving) return;
    this.saving = true;
    try {
      if (await write(key, bytes, this.flags.value, this.base?.modify_index ?? 0)) return this.done(key);
      if (this.key === null) {
        say("Not saved: there is such a key already.", true);
        this.name.focus();
      } else {
        say("Not saved: the key was changed meanwhile.", true);
        await this.refused();
      }
    } catch (error) {
      say(`Not saved: ${error.message}`, true);
    } finally {
      this.saving = false;
    }
  }

  /** Shows what a refused save would have overwritten. */
  async refused() {
    this.tell(await value(this.key), "Not saved: ");
  }
}
