// The one page. Everything a visitor wrote passes through escapeHtml.
import { MESSAGE_LENGTH_MAX, NAME_LENGTH_MAX } from "./entries.js";

const ENTITIES = /** @type {Record<string, string>} */ ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" });

/** @param {string} text */
export const escapeHtml = (text) => text.replace(/[&<>"']/g, (character) => ENTITIES[character] ?? character);

/** @param {import("./entries.js").Entry} entry */
function describeEntry({ id, name, message, picture, writtenAt, words }) {
  const image = picture ? `<img src="/pictures/${escapeHtml(picture)}" alt="Picture from ${escapeHtml(name)}" loading="lazy">` : "";
  const count = words === null ? "" : ` · ${words} ${words === 1 ? "word" : "words"}`;
  return `<li class="entry" id="entry-${id}">
      <h3>${escapeHtml(name)}</h3>
      <p class="message">${escapeHtml(message)}</p>${image}
      <p class="meta"><time datetime="${writtenAt}">${writtenAt.slice(0, 16).replace("T", " ")} UTC</time>${count}</p>
    </li>`;
}

/**
 * @param {{ entries: import("./entries.js").Entry[], assets: Record<string, string>, release: string, fault?: string, typed?: import("./entries.js").NewEntry }} facts
 */
export function describePage({ entries, assets, release, fault, typed }) {
  return `<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <title>Guestbook</title>
  <meta name="description" content="Leave a line and a picture.">
  <link rel="icon" href="/assets/${assets["icon.svg"]}" type="image/svg+xml">
  <link rel="stylesheet" href="/assets/${assets["style.css"]}">
  <script type="module" src="/assets/${assets["live.js"]}"></script>
</head>
<body>
  <a class="skip" href="#entries">Skip to the entries</a>
  <header>
    <h1>Guestbook</h1>
    <p>Leave a line, and a picture if you like.</p>
  </header>
  <main>
    <section class="write" aria-labelledby="write-heading">
      <h2 id="write-heading">Write</h2>
      ${fault ? `<p class="fault" role="alert">${escapeHtml(fault)}</p>` : ""}
      <form method="post" action="/entries" enctype="multipart/form-data">
        <label for="name">Your name</label>
        <input id="name" name="name" required maxlength="${NAME_LENGTH_MAX}" autocomplete="name" value="${escapeHtml(typed?.name ?? "")}">
        <label for="message">Your message</label>
        <textarea id="message" name="message" rows="5" required maxlength="${MESSAGE_LENGTH_MAX}">${escapeHtml(typed?.message ?? "")}</textarea>
        <label for="picture">A picture <span class="hint">optional; PNG, JPEG, GIF or WebP, up to 5 MB</span></label>
        <input id="picture" name="picture" type="file" accept="image/png,image/jpeg,image/gif,image/webp">
        <button type="submit">Sign the guestbook</button>
      </form>
    </section>
    <section aria-labelledby="entries-heading">
      <h2 id="entries-heading">Latest entries <span id="live" class="live" role="status"></span></h2>
      <ol id="entries" class="entries" tabindex="-1">
    ${entries.map(describeEntry).join("\n    ")}
      </ol>
      ${entries.length === 0 ? '<p class="empty" id="empty">Nobody has written yet. Be the first.</p>' : ""}
    </section>
  </main>
  <footer>Release <code>${escapeHtml(release)}</code></footer>
</body>
</html>
`;
}
