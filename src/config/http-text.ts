// Texts of the configuration that become a part of HTTP: of a request line, a header, or what nginx reads. What one of their readers would
// refuse, or read as something else, is refused at its key, on every target alike.
import { z } from "zod";

const CHARACTERS = "A-Za-z0-9\\-._~!$&'()*+,;=:@";
const ESCAPE = "%[0-9A-Fa-f]{2}";
/** A segment that is neither empty but for the last, nor "." nor "..". */
const SEGMENT = "\\/(?!\\/|\\.{1,2}(?:[/?]|$))";

/** As it is sent in a request line, which also curl and AWS's balancer write. */
export const requestPath = z
  .string()
  .regex(new RegExp(`^(?=.{1,1000}$)(?:${SEGMENT}(?:[${CHARACTERS}]|${ESCAPE})*)+(?:\\?(?:[${CHARACTERS}/?]|${ESCAPE})*)?$`), {
    error: 'a path as it is requested: "/" at its beginning, no empty part, "." or "..", and what no URL may hold percent-encoded',
  });

/** Rules see the decoded path of a request in its one normal form, so that nothing else could ever match. */
export const pathPattern = z.string().regex(/^(?=.{1,1000}$)(?:\/(?!\/|\.{1,2}(?:\/|$))[^/*?#%;\\\p{Cc}]*)+\*?$/u, {
  error: 'a path, decoded and without a query: "/" at its beginning, no empty part, "." or "..", none of ? # % ; \\ and a "*" only at its end',
});

/** RFC 1123, 2.1; other letters are written as `xn--…`. */
export const routeHost = z.string().regex(/^(?=.{1,253}$)[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*$/i, {
  error: 'one whole host name, such as "www.example.com": without scheme, port, path or "*"',
});

/** What is written by whoever writes the answer, and frames it: set to anything else, the answer could not be read. */
const FRAME = "connection|content-length|transfer-encoding|content-encoding|upgrade|trailer|te|keep-alive|proxy-[a-z-]*|date|server|x-request-id";
export const headerName = z.string().regex(new RegExp(`^(?!(?:${FRAME})$)[a-z0-9-]{1,100}$`, "i"), {
  error: "a header's name of letters, digits and hyphens, and not one by which HTTP itself works, such as Content-Length",
});
export const headerValue = z.string().regex(/^(?=.{1,2000}$)[!-~](?:[\t -~]*[!-~])?$/, {
  error: "a header's value: one line of 1 to 2000 characters of ASCII, without blanks around it",
});

export const redirectAddress = z
  .string()
  .regex(
    new RegExp(
      `^(?=.{1,1000}$)(?:https?:\\/\\/[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?(?::\\d{1,5})?(?=[/?#$]|$)|\\/|\\$path)(?:[${CHARACTERS}/?#]|${ESCAPE})*$`,
      "i",
    ),
    {
      error:
        'an address of ASCII that begins with "https://" or "http://" and a host, with "/" or with "$path"; other characters percent-encoded, those of a host as "xn--…"',
    },
  );

/** A colon would end it, and in nginx's file of passwords a "#" at its beginning makes a comment of it. */
export const loginName = z
  .string()
  .regex(/^(?=.{1,200}$)(?![\s#])[^:\p{Cc}]*[^:\s\p{Cc}]$/u, { error: 'a name in one line without ":", blanks around it, or "#" at its beginning' });
