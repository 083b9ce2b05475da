// Keys and values are bytes. A key is carried about percent-encoded, as the server writes it: an ASCII text for any bytes.

const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const utf8 = new TextEncoder();
// What the server leaves as it is (Go's net/url, in a path).
const PLAIN = /[A-Za-z0-9\-_.~$&+,/:;=@]/;
// What cannot be seen, or makes other text be seen elsewhere: controls, separators, marks of direction, tags.
const UNSEEN = /[\p{Cc}\p{Cf}\p{Co}\p{Cn}\p{Zl}\p{Zp}]/u;

const pair = byte => byte.toString(16).padStart(2, "0");

/** The bytes of an encoded key. */
export function unescape(encoded) {
  const bytes = [];
  for (let at = 0; at < encoded.length; at++) {
    if (encoded[at] === "%") {
      bytes.push(parseInt(encoded.slice(at + 1, at + 3), 16));
      at += 2;
    } else {
      bytes.push(encoded.charCodeAt(at));
    }
  }
  return Uint8Array.from(bytes);
}

/** The encoded key of bytes, letter for letter as the server writes it. */
export function escape(bytes) {
  let encoded = "";
  for (const byte of bytes) {
    const char = String.fromCharCode(byte);
    encoded += byte < 128 && PLAIN.test(char) ? char : "%" + pair(byte).toUpperCase();
  }
  return encoded;
}

/** Text as bytes. */
export const encode = text => utf8.encode(text);

/** Bytes as text, or null if they are none. */
export function decode(bytes) {
  try {
    return strict.decode(bytes);
  } catch {
    return null;
  }
}

/** Hexadecimal digits. */
export const hex = (bytes, gap = "") => Array.from(bytes, pair).join(gap);

/** The bytes of hexadecimal digits, with space anywhere between two bytes; null if it is something else. */
export function unhex(text) {
  const words = text.split(/\s+/).filter(word => word !== "");
  if (words.some(word => word.length % 2 || /[^0-9a-f]/i.test(word))) return null;
  return Uint8Array.from(words.join("").match(/../g) ?? [], digits => parseInt(digits, 16));
}

/** Base64. */
export const unbase64 = text => Uint8Array.from(atob(text), char => char.charCodeAt(0));

/** Base64. */
export function base64(bytes) {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
}

/** Text and what has to be spelt out, in turn: `[["plain ", false], ["\\u{202e}", true], …]`. */
export function spelt(bytes) {
  const parts = [];
  const add = (text, odd) => {
    const last = parts.at(-1);
    if (last && last[1] === odd) last[0] += text;
    else parts.push([text, odd]);
  };
  const text = decode(bytes);
  if (text === null) {
    // Some of it may be text all the same; ASCII certainly is.
    for (const byte of bytes) {
      const seen = byte >= 0x20 && byte < 0x7f;
      add(seen ? String.fromCharCode(byte) : "\\x" + pair(byte), !seen);
    }
    return parts;
  }
  for (const char of text) {
    const odd = UNSEEN.test(char);
    add(odd ? `\\u{${char.codePointAt(0).toString(16)}}` : char, odd);
  }
  return parts;
}

/** The same as one text. */
export const shown = encoded => spelt(unescape(encoded)).map(([text]) => text).join("");

/** Whether a URL can name the key: Consul cleans paths, as all servers in Go do, and refuses controls. */
export function hasUrl(encoded) {
  const parts = encoded.split("/");
  if (parts.length > 1 && parts.at(-1) === "") parts.pop();
  const unclean = parts.some(part => part === "" || part === "." || part === "..");
  return !unclean && !/\p{Cc}/u.test(new TextDecoder().decode(unescape(encoded)));
}
