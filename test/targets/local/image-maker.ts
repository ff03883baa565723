// A process of its own that makes an image, for tests that kill it. Arguments: home, hash, the app's folder, the recipe as JSON.
import { loadSource } from "../../../src/release/source.ts";
import { ensureImage } from "../../../src/targets/local/images.ts";
import { placesOf } from "../../../src/targets/local/places.ts";

const [home = "", hash = "", folder = "", recipe = ""] = process.argv.slice(2);
const source = await loadSource({ folder, dirty: true });
const { made } = await ensureImage({
  places: placesOf(home, "guestbook", "local"),
  recipe: JSON.parse(recipe),
  hash,
  source,
  emit: (line) => console.log(line),
});
console.log(made ? "MADE" : "WAS THERE");
