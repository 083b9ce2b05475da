// What is asked of the lab.

const root = document.documentElement.dataset.root;

async function ask(target, options = {}) {
  const reply = await fetch(`${root}lab/${target}`, { credentials: "omit", redirect: "error", ...options });
  if (reply.ok) return reply;
  throw new Error((await reply.text()).trim() || `the lab answered ${reply.status}`);
}

const query = parameters => new URLSearchParams(Object.entries(parameters).filter(([, value]) => value !== "" && value != null));

/** What there is now, in short: `{graph, counters, faults, hosts, containers}`. */
export const look = async signal => (await ask("look", { signal })).json();

/** What a namespace holds. */
export const room = async name => (await ask(`room?${query({ name })}`)).json();

/** What happened from the n-th on; waits until there is something. */
export const events = async (from, signal) => (await ask(`events?${query({ from })}`, { signal })).json();

/** Makes something go wrong, by the words after `lab fault`; what the lab says of it. */
export const fault = async words => (await (await ask("fault", { method: "POST", body: words })).json()).said;

/** Heals a fault; all, if none is named. */
export const heal = async id => (await (await ask("heal", { method: "POST", body: id })).json()).said;

/** What passes meanwhile, as a file. */
export const capture = async parameters => (await ask(`capture.pcapng?${query(parameters)}`)).blob();

/** The picture, as an element. A request is what makes a document of it: no HTML is made out of text here. */
export const picture = () => svg("GET", "graph.svg?bare");

/** A packet's way on it. */
export const trace = parameters => svg("POST", `trace.svg?${query(parameters)}`);

function svg(method, target) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open(method, `${root}lab/${target}`);
    request.responseType = "document";
    request.overrideMimeType("image/svg+xml");
    request.onload = async () => {
      const drawn = request.response?.documentElement;
      if (request.status === 200 && drawn?.localName === "svg") return resolve(document.importNode(drawn, true));
      reject(new Error(drawn?.textContent.trim() || `the lab answered ${request.status}`));
    };
    request.onerror = () => reject(new Error("no answer"));
    request.send();
  });
}
