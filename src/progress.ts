// Progress of long work. The library never prints: it emits these, and the command line describes them.

export type Progress =
  | { type: "started"; step: string; text: string }
  | { type: "output"; step: string; line: string }
  | { type: "finished"; step: string; text: string; durationMs: number }
  /** Why is in the error that ends the operation. */
  | { type: "failed"; step: string; text: string; durationMs: number }
  /** Was as it should be already. */
  | { type: "unchanged"; step: string; text: string }
  /** Something the user should know. */
  | { type: "note"; text: string }
  /** Something that may need the user; nothing failed. */
  | { type: "warning"; text: string };

export type Emit = (progress: Progress) => void;

/** Runs one step between its `started` and its `finished` or `failed` event. `act` returns the text of `finished`. */
export async function during(emit: Emit, step: string, text: string, act: () => Promise<string>): Promise<void> {
  const from = performance.now();
  const ended = () => ({ step, durationMs: Math.round(performance.now() - from) });
  emit({ type: "started", step, text });
  try {
    const result = await act();
    emit({ type: "finished", text: result, ...ended() });
  } catch (error) {
    emit({ type: "failed", text, ...ended() });
    throw error;
  }
}
