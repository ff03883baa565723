// What is worth knowing of a source before it is released, though nothing is wrong with it.
import type { Emit } from "../progress.ts";
import type { Source } from "../release/source.ts";
import { readWhole, type SourceFile } from "../release/source-file.ts";

export async function announceSource(emit: Emit, { files, suspicious }: Source): Promise<void> {
  if (suspicious.length > 0)
    emit({ type: "warning", text: `by their names these files hold secrets, and they are released: ${suspicious.join(", ")}` });
  for (const file of files.filter(({ path }) => /(^|\/)\.gitattributes$/.test(path)))
    if (await leavesOut(file)) emit({ type: "note", text: `"export-ignore" in ${file.path} leaves nothing out of a release; .landfallignore does` });
}

const leavesOut = async (file: SourceFile): Promise<boolean> => /^[^#\n]*\sexport-ignore\b/m.test(String(await readWhole(file)));
