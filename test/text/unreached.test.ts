import { expect, it } from "vitest";
import { explainUnreached } from "../../src/text/unreached.ts";

// As npm 10, pip 25, git 2.39 with curl 7.88, and apt 2.6 print it where there is no network.
it.each([
  ["npm error request to https://registry.npmjs.org/x failed, reason: getaddrinfo EAI_AGAIN registry.npmjs.org", "registry.npmjs.org"],
  ["NameResolutionError: Failed to resolve 'pypi.org' ([Errno -3] Temporary failure in name resolution)", "pypi.org"],
  ["fatal: unable to access 'https://github.com/x/y/': Could not resolve host: github.com", "github.com"],
  ["W: Failed to fetch http://deb.debian.org/debian/dists/trixie/InRelease  Temporary failure resolving 'deb.debian.org'", "deb.debian.org"],
])("a step that did not find a host is told to look at the network: %s", (line, host) => {
  expect(explainUnreached(["before", line, "after"])).toEqual({
    why: `Probably there is no network, or no name server, where it ran: "${host}" was not found.`,
    next: `see that ${host} is reached from there, then run the command again`,
  });
});

it("no other failure is", () => {
  expect(explainUnreached(["npm error code E404", "404 Not Found - GET https://registry.npmjs.org/x"])).toBeUndefined();
});
