#!/usr/bin/python3
"""Receivers of mail and webhooks, for tests.

receivers.py smtp PORT [--tls CERT KEY [--at-once]] [--auth USER PASSWORD] [--later N]
receivers.py http PORT [--tls CERT KEY] [--answers 503,200]

Prints the port first, then a line of JSON for everything that is taken or refused. An address that begins with
`nobody` is refused for good; --later refuses the first N messages for now; with
--at-once the connection is TLS from its first byte; --in-clear takes passwords without TLS. Ends when its input does.
"""
import argparse
import asyncio
import http.server
import json
import os
import ssl
import sys
import threading


def say(**what):
    print(json.dumps(what), flush=True)


def end_with_input():
    sys.stdin.read()
    os._exit(0)


def context(paths):
    if not paths:
        return None
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(*paths)
    return made


def smtp(args):
    from aiosmtpd.smtp import SMTP, AuthResult

    class Handler:
        later = args.later

        async def handle_RCPT(self, server, session, envelope, address, options):
            if address.startswith("nobody"):
                say(refused=address)
                return "550 5.1.1 there is nobody of that name"
            envelope.rcpt_tos.append(address)
            return "250 OK"

        async def handle_DATA(self, server, session, envelope):
            import email
            import email.policy

            message = email.message_from_bytes(envelope.content, policy=email.policy.default)
            headers = {name.lower(): str(value) for name, value in message.items()}
            taken = Handler.later == 0
            Handler.later -= not taken
            say(
                taken=taken,
                sender=envelope.mail_from,
                to=envelope.rcpt_tos,
                headers=headers,
                text=message.get_content(),
                tls=session.ssl is not None,
                user=session.auth_data.decode() if session.authenticated else None,
            )
            return "250 OK" if taken else "451 4.3.0 not now"

    def check(server, session, envelope, mechanism, data):
        fine = [data.login.decode(), data.password.decode()] == args.auth
        say(login=data.login.decode(), fine=fine)
        return AuthResult(success=fine, handled=False, auth_data=data.login if fine else None)

    def server():
        return SMTP(
            Handler(),
            hostname="receiver",
            tls_context=None if args.at_once else context(args.tls),
            require_starttls=bool(args.tls) and not args.at_once,
            auth_require_tls=not (args.at_once or args.in_clear),
            authenticator=check if args.auth else None,
            auth_required=bool(args.auth),
        )

    async def run():
        loop = asyncio.get_running_loop()
        listening = await loop.create_server(
            server, "127.0.0.1", args.port, ssl=context(args.tls) if args.at_once else None
        )
        print(listening.sockets[0].getsockname()[1], flush=True)
        await listening.serve_forever()

    asyncio.run(run())


def web(args):
    answers = [int(status) for status in args.answers.split(",")] if args.answers else []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            say(path=self.path, headers=headers, body=json.loads(body))
            status = answers.pop(0) if answers else 200
            self.send_response(status)
            if status == 302:
                self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    listening = http.server.ThreadingHTTPServer(("127.0.0.1", args.port), Handler)
    if args.tls:
        listening.socket = context(args.tls).wrap_socket(listening.socket, server_side=True)
    print(listening.server_port, flush=True)
    listening.serve_forever()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["smtp", "http"])
    parser.add_argument("port", type=int)
    parser.add_argument("--tls", nargs=2)
    parser.add_argument("--at-once", action="store_true")
    parser.add_argument("--auth", nargs=2)
    parser.add_argument("--in-clear", action="store_true")
    parser.add_argument("--later", type=int, default=0)
    parser.add_argument("--answers", default="")
    args = parser.parse_args()
    threading.Thread(target=end_with_input, daemon=True).start()
    smtp(args) if args.what == "smtp" else web(args)


main()
