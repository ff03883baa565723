// What an action is given, in one shape for both protocols. In SQS's older one every value is text.
import { ServiceError } from "../protocol/service-error.ts";

export class Input {
  readonly #values: Record<string, unknown>;

  constructor(values: unknown) {
    this.#values = isRecord(values) ? values : {};
  }

  has(name: string): boolean {
    return this.#values[name] !== undefined && this.#values[name] !== null;
  }

  find(name: string): string | undefined {
    const value = this.#values[name];
    if (value === undefined || value === null) return undefined;
    if (typeof value === "object") throw wrong(name, value);
    return String(value);
  }

  /** Throws MissingParameter. */
  text(name: string): string {
    return this.find(name) ?? missing(name);
  }

  /** Throws InvalidParameterValue when it is out of range. */
  number(name: string, { least, most }: { least: number; most: number }): number | undefined {
    const text = this.find(name);
    if (text === undefined) return undefined;
    if (!/^-?\d+$/.test(text) || Number(text) < least || Number(text) > most)
      throw new ServiceError(
        "InvalidParameterValue",
        `Value ${text} for parameter ${name} is invalid. Reason: Must be between ${least} and ${most}, if provided.`,
      );
    return Number(text);
  }

  list(name: string): string[] {
    const value = this.#values[name] ?? [];
    if (!Array.isArray(value)) throw wrong(name, value);
    return value.map(String);
  }

  entries(name: string): Input[] {
    const value = this.#values[name] ?? [];
    if (!Array.isArray(value)) throw wrong(name, value);
    return value.map((entry) => new Input(entry));
  }

  /** Texts by name. */
  texts(name: string): Record<string, string> {
    return Object.fromEntries(this.named(name).map(([key, value]) => [key, String(value)]));
  }

  named(name: string): [string, unknown][] {
    const value = this.#values[name] ?? {};
    if (!isRecord(value)) throw wrong(name, value);
    return Object.entries(value);
  }
}

export const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null && !Array.isArray(value);

function missing(name: string): never {
  throw new ServiceError("MissingParameter", `The request must contain the parameter ${name}.`);
}

const wrong = (name: string, value: unknown): ServiceError =>
  new ServiceError("InvalidParameterValue", `Value ${JSON.stringify(value)} for parameter ${name} is invalid.`);
