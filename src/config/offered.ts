import { ERROR_CODES, LandfallError } from "../error.ts";
import { defineApp } from "./deployment.ts";

/** Given to the configuration under the name `landfall`: always this very version, and nothing that acts. */
export const OFFERED = { defineApp, LandfallError, ERROR_CODES };
