// What is asked of the store: reads of its own under /ui/, and Consul's API for all else.

import { base64, decode, hasUrl, hex, unescape } from "./bytes.js";

const root = document.documentElement.dataset.root;
/** The most operations of a transaction (Consul, `maxTxnOps`). */
export const OPERATIONS = 128;
/** How long to wait before asking again a store that did not answer, in milliseconds. */
const AGAIN = 1000;
/** The least time between two looks at a store that is written all the time, in milliseconds. */
const PACE = 100;

async function ask(target, options = {}) {
  const reply = await fetch(root + target, { credentials: "omit", redirect: "error", ...options });
  if (reply.ok || reply.status === 404 || reply.status === 409) return reply;
  throw new Error((await reply.text()).trim() || `the store answered ${reply.status}`);
}

async function read(target, signal) {
  const reply = await ask(target, { signal });
  const index = Number(reply.headers.get("x-consul-index"));
  if (!index) throw new Error((await reply.text()).trim() || "this is no store");
  return { index, value: reply.status === 404 ? null : await reply.json() };
}

/** All keys: `{key, index, size, session, label}`. */
export async function keys(index, signal) {
  const answer = await read(`ui/keys?index=${index}`, signal);
  const rows = answer.value.map(([key, index, size, session, label]) => ({ key, index, size, session, label }));
  return { index: answer.index, value: rows };
}

/** All sessions, as Consul has them. */
export const sessions = (index, signal) => read(`v1/session/list?index=${index}`, signal);

/** A key with its value and what that means, or null. */
export const value = async (key, signal) => (await read(`ui/value/${hex(unescape(key))}`, signal)).value;

/** The address of a key in Consul's API, or null if it has none. */
export const href = key => (hasUrl(key) ? `${root}v1/kv/${key}` : null);

/** Runs operations, all or none; false: one of them was not as it had been seen. */
async function transact(operations) {
  const reply = await ask("v1/txn", { method: "PUT", body: `[${operations.join(",")}]` });
  if (reply.status !== 409) return true;
  const { Errors } = await reply.json();
  const why = Errors.map(error => error.What).join("; ");
  if (/stale|index/.test(why)) return false;
  throw new Error(why);
}

function operation(verb, key, index, more = "") {
  const text = decode(unescape(key));
  if (text === null) throw new Error("no request can name this key: it is neither text nor a clean path");
  return `{"KV":{"Verb":"${verb}","Key":${JSON.stringify(text)},"Index":${index}${more}}}`;
}

/** Writes a key if its index is still that (0: if it is not there); false: it is not. `flags` is a text of digits. */
export async function write(key, bytes, flags, index) {
  if (hasUrl(key)) {
    const reply = await ask(`v1/kv/${key}?cas=${index}&flags=${flags}`, { method: "PUT", body: bytes });
    return reply.json();
  }
  return transact([operation("cas", key, index, `,"Flags":${flags},"Value":"${base64(bytes)}"`)]);
}

/** Deletes a key if its index is still that; false: it is not. */
export async function remove(key, index) {
  if (hasUrl(key)) return (await ask(`v1/kv/${key}?cas=${index}`, { method: "DELETE" })).json();
  return transact([operation("delete-cas", key, index)]);
}

/** Deletes keys, all or none, if the index of each is still that. */
export const removeAll = rows => transact(rows.map(row => operation("delete-cas", row.key, row.index)));

/**
 * Reads again whenever something has changed, for as long as somebody looks: a page that is hidden asks nothing, so that it
 * leaves the few connections that a browser has to those that are seen.
 */
export async function follow(read, seen, lost) {
  let index = 0;
  for (;;) {
    await visible();
    const stop = new AbortController();
    const hide = () => document.hidden && stop.abort();
    document.addEventListener("visibilitychange", hide);
    try {
      const answer = await read(index, stop.signal);
      seen(answer);
      // An index that goes back is another store's: Consul asks its clients to begin anew then.
      index = answer.index < index ? 0 : answer.index;
      await pause(PACE);
    } catch (error) {
      if (!stop.signal.aborted) {
        lost(error);
        index = 0;
        await pause(AGAIN);
      }
    } finally {
      document.removeEventListener("visibilitychange", hide);
    }
  }
}

const pause = time => new Promise(resolve => setTimeout(resolve, time));

const visible = () => new Promise(resolve => {
  const look = () => {
    if (document.hidden) return;
    document.removeEventListener("visibilitychange", look);
    resolve();
  };
  document.addEventListener("visibilitychange", look);
  look();
});

