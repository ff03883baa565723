import { expect, test } from "vitest";
import * as library from "../src/index.ts";

test("the library exports what programs need, and no inner name", () => {
  expect(Object.keys(library).sort()).toEqual([
    "ERROR_CODES",
    "LandfallError",
    "check",
    "defineApp",
    "describeBoot",
    "findConfig",
    "judgeBudget",
    "launch",
    "listEnvironments",
    "loadConfig",
    "openEnvironment",
    "priceOf",
    "rehearse",
    "startAtBoot",
    "stopAtBoot",
    "sumOf",
    "writeConfig",
  ]);
});
