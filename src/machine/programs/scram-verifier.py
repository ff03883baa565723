#!/usr/bin/python3 -I
# A login as JSON in, psql's \set lines for its user and for what Postgres stores of its password (RFC 5802, RFC 7677) out. Python comes
# with the AWS command line; openssl would take the password as an argument.
import base64, hashlib, hmac, json, os, sys

ITERATIONS = 4096


def text(raw):
    return base64.b64encode(raw).decode()


def digest(key, words):
    return hmac.new(key, words, hashlib.sha256).digest()


login = json.load(sys.stdin)
salt = os.urandom(16)
salted = hashlib.pbkdf2_hmac("sha256", login["password"].encode(), salt, ITERATIONS)
stored = hashlib.sha256(digest(salted, b"Client Key")).digest()
verifier = f"SCRAM-SHA-256${ITERATIONS}:{text(salt)}${text(stored)}:{text(digest(salted, b'Server Key'))}"
for name, value in ("reader", login["username"]), ("verifier", verifier):
    print(rf"\set {name} '{value}'")
