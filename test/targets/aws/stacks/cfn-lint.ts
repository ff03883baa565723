// cfn-lint in a virtual environment of its own, which is made once and kept beside the other installed packages.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** All of them, so that the same versions run everywhere. */
const PACKAGES = [
  "cfn-lint==1.58.0",
  "jsonpatch==1.47",
  "jsonpointer==3.12",
  "mpmath==1.3.0",
  "networkx==3.6.1",
  "PyYAML==6.0.3",
  "regex==2026.11.15",
  "sympy==1.14.0",
  "typing_extensions==4.16.0",
];

const cache = fileURLToPath(new URL("../../../../node_modules/.cache/landfall/", import.meta.url));
const home = join(cache, PACKAGES[0] as string);

export const hasPython = (): boolean => spawnSync("python3", ["-c", "import venv, ensurepip"]).status === 0;

/** All findings of cfn-lint, over all files in one process. */
export function lint(files: string[]): { file: string; text: string }[] {
  ensureLint();
  // Not its own starter, which names the folder that it was installed in.
  const args = [
    "-c",
    "import sys; from cfnlint.runner import main; sys.exit(main())",
    "--non-zero-exit-code",
    "none",
    "--format",
    "json",
    "--regions",
    "eu-central-1",
    "--",
    ...files,
  ];
  const text = run(join(home, "bin", "python"), args);
  return (JSON.parse(text || "[]") as Finding[]).map(({ Filename, Rule, Message, Location }) => ({
    file: Filename,
    text: `${Rule.Id} ${Location.Path?.join("/") ?? ""} ${Message}`,
  }));
}

interface Finding {
  Filename: string;
  Message: string;
  Rule: { Id: string };
  Location: { Path?: (string | number)[] };
}

function ensureLint(): void {
  if (existsSync(home)) return;
  // Made beside and renamed, so that an interrupted installation is not taken for a whole one.
  const making = `${home}.${process.pid}`;
  mkdirSync(cache, { recursive: true });
  try {
    run("python3", ["-m", "venv", making]);
    run(join(making, "bin", "python"), ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", ...PACKAGES]);
    if (!existsSync(home)) renameSync(making, home);
  } finally {
    rmSync(making, { recursive: true, force: true });
  }
}

function run(program: string, args: string[]): string {
  const { status, stdout, stderr, error } = spawnSync(program, args, { encoding: "utf8", maxBuffer: 256 * 2 ** 20 });
  if (status !== 0) throw error ?? new Error(`${program} ${args.slice(0, 3).join(" ")} ended with ${status}: ${stderr}`);
  return stdout;
}
