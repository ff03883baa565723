// revive-main.js <environment folder>: puts a supervisor in the place of one that is dead or hangs, and ends.
import { present } from "../../../error.ts";
import { pathsOfFolder } from "../paths.ts";
import { answerOrStart } from "../supervisor/start.ts";

await answerOrStart(pathsOfFolder(present(process.argv[2], "folder among the arguments")));
