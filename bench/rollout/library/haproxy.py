# An Ansible module: sets the state of a server of the backend "web" through HAProxy's socket. "drain" returns when no session is left.
import csv
import socket
import time

from ansible.module_utils.basic import AnsibleModule


def tell(path, command):
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(path)
        connection.sendall(f"{command}\n".encode())
        return b"".join(iter(lambda: connection.recv(65536), b"")).decode().strip()


def sessions(path, server):
    rows = csv.DictReader(tell(path, "show stat").lstrip("# ").splitlines())
    return next(int(row["scur"]) for row in rows if row["pxname"] == "web" and row["svname"] == server)


def main():
    module = AnsibleModule({"socket": {"required": True}, "server": {"required": True}, "state": {"choices": ["drain", "ready"]}})
    path, server, state = (module.params[name] for name in ("socket", "server", "state"))
    refusal = tell(path, f"set server web/{server} state {state}")
    if refusal:
        module.fail_json(msg=refusal)
    until = time.monotonic() + 30
    while state == "drain" and sessions(path, server) > 0:
        if time.monotonic() > until:
            module.fail_json(msg=f"{server} still has sessions")
        time.sleep(0.01)
    module.exit_json(changed=True)


if __name__ == "__main__":
    main()
