// A process of its own that makes an image, for tests that kill it. Arguments: home, hash, the app's folder, the recipe as JSON.
import { loadSource } from "../../../../src/release/source.ts";
import { pathsOf } from "../../../../src/targets/local/paths.ts";
import { ensureImage } from "../../../../src/targets/local/releases/images.ts";

const [home = "", hash = "", folder = "", recipe = ""] = process.argv.slice(2);
const source = await loadSource({ folder, dirty: true });
const { made } = await ensureImage({
  paths: pathsOf(home, "guestbook", "local"),
  recipe: JSON.parse(recipe),
  hash,
  source,
  emit: (line) => console.log(line),
});
console.log(made ? "MADE" : "WAS THERE");
