// Shows entries of other visitors as they come. Without it the page works all the same.
const list = document.querySelector("#entries");
const status = document.querySelector("#live");
let waitMs = 500;

function connect() {
  const socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/live`);
  socket.addEventListener("open", () => {
    waitMs = 500;
    status.textContent = "live";
  });
  socket.addEventListener("message", ({ data }) => {
    const { kind, entry } = JSON.parse(data);
    if (kind === "entry") show(entry);
  });
  socket.addEventListener("close", ({ code }) => {
    status.textContent = "";
    // 1012: the service restarts, another instance is there already.
    setTimeout(connect, code === 1012 ? 0 : waitMs);
    waitMs = Math.min(waitMs * 2, 30_000);
  });
}

function show(entry) {
  if (document.getElementById(`entry-${entry.id}`)) return;
  const item = make("li", "entry", [make("h3", "", entry.name), make("p", "message", entry.message)]);
  item.id = `entry-${entry.id}`;
  if (entry.picture) {
    const image = make("img");
    image.src = `/pictures/${entry.picture}`;
    image.alt = `Picture from ${entry.name}`;
    item.append(image);
  }
  item.append(make("p", "meta", "just now"));
  list.prepend(item);
  document.querySelector("#empty")?.remove();
}

/** Text goes in as text, never as HTML. */
function make(tag, className = "", content = "") {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.append(...(Array.isArray(content) ? content : [content]));
  return element;
}

connect();
