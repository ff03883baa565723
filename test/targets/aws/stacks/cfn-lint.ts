// cfn-lint in a virtual environment of its own.
import { ensurePython, run } from "../../../python.ts";

export { hasPython } from "../../../python.ts";

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

/** All findings of cfn-lint, over all files in one process. */
export function lint(files: string[]): { file: string; text: string }[] {
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
  const text = run(ensurePython(PACKAGES), args);
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
