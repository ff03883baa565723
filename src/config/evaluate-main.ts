// A configuration that is more than plain, in a thread of its own: whatever it does, be it to end the process or never to come to its end, is done
// to this thread alone. What it exports goes back as data; of a function only that it is one.
import { parentPort, workerData } from "node:worker_threads";
import { createJiti } from "jiti";
import { OFFERED } from "./offered.ts";
import { asPortable, type Evaluated } from "./portable.ts";

const { file, isCommonJs }: { file: string; isCommonJs: boolean } = workerData;

async function evaluate(): Promise<Evaluated> {
  const jiti = createJiti(file, {
    virtualModules: { landfall: OFFERED },
    moduleCache: false,
    fsCache: false,
    interopDefault: false,
    transformOptions: { retainLines: true },
  });
  try {
    const exported = await jiti.import<Record<string, unknown>>(file);
    return { value: asPortable(exported?.default ?? (isCommonJs ? exported : undefined)) };
  } catch (error) {
    return { thrown: error instanceof Error ? { name: error.name, message: error.message, stack: error.stack ?? "" } : { message: String(error) } };
  }
}

parentPort?.postMessage(await evaluate());
