"""JavaScript and TypeScript read: modules, variables, Nodemailer's transports, and what becomes of each send."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deliverkit.facts.settings.model import MailSettings, SendCall
from deliverkit.facts.settings.readers import Look
from deliverkit.facts.settings.readers.nodemailer import read
from deliverkit.facts.settings.source import javascript as js
from deliverkit.facts.settings.source import syntax
from deliverkit.facts.settings.tree import ToldTree

PACKAGE = json.dumps({"dependencies": {"nodemailer": "^9.1.1"}})
ENV = "SMTP_HOST=mail.example.com\nSMTP_PORT=587\nSMTP_SECURE=false\nSMTP_USER=ann\nSMTP_PASS=secret-word\n"


def looked(files: Mapping[str, str], asked: str | None = None, **rest: str) -> tuple[list[MailSettings], Look]:
    """What the reader finds in files."""
    look = Look(ToldTree({"package.json": PACKAGE, ".env": ENV, **files, **rest}), asked=asked)
    return list(read(look)), look


def one(source: str, **files: str) -> MailSettings:
    """The only transport of a source."""
    found, _ = looked({"mail.ts": f'import nodemailer from "nodemailer";\n{source}', **files})
    assert len(found) == 1
    return found[0]


def values(options: str, **files: str) -> tuple[str, int, str]:
    """Host, port and mode of the transport with these options."""
    plan = one(f"nodemailer.createTransport({options});", **files).plan
    return plan.host, plan.port, plan.mode


# -- values and modules ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "host"),
    [
        ('const host = "a"; f({ host })', "a"),
        ('const c = { host: "a" }; f({ ...c, port: 25 })', "a"),
        ('const { SMTP_HOST: host = "no" } = process.env; f({ host })', "mail.example.com"),
        ('const { GONE = "yes" } = process.env; f({ host: GONE })', "yes"),
        ('import { env } from "node:process"; f({ host: env.SMTP_HOST })', "mail.example.com"),
        ('import { config } from "./config"; f(config.mail)', "c"),
        ('import config from "@/config"; f(config)', "d"),
        ('import { again } from "./again.js"; f({ host: again })', "c"),
        ('import { host } from "./star"; f({ host })', "c"),
        ('import * as all from "./config"; f({ host: all.host })', "c"),
        ('const { host } = require("./common"); f({ host })', "e"),
        ('const common = require("./common.cjs"); f({ host: common.host })', "e"),
        ('import { x } from "#lib/mapped"; f({ host: x })', "m"),
        ('import settings from "./values.json"; f(settings.smtp)', "j"),
        ('import { host } from "./folder"; f({ host })', "i"),
        ('const host = "out"; function g() { const host = "in"; f({ host }); }', "in"),
    ],
)
def test_a_name_is_followed(source: str, host: str) -> None:
    """Through constants, patterns, imports, exports, aliases and scopes."""
    files = {
        "config.ts": 'export const host = "c"; export const config = { mail: { host } }; export default { host: "d" };',
        "again.ts": 'export { host as again } from "./config";',
        "star.ts": 'export * from "./config";',
        "common.cjs": 'module.exports = { host: "e" };',
        "src/mapped.ts": 'export const x = "m";',
        "tsconfig.json": '{ "compilerOptions": { "paths": { "#lib/*": ["./src/*"] } } } // with a comment',
        "values.json": '{"smtp": {"host": "j", "port": 25}}',
        "folder/index.js": 'export const host = "i";',
    }
    found = one(source.replace("f(", "nodemailer.createTransport(", 1), **files)
    assert found.plan.host == host


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("function g(host) { f({ host }); }", "a parameter"),
        ('let host = "a"; host = "b"; f({ host })', "changes"),
        ('const o = { host: "a" }; o.host = "b"; f(o)', "set later"),
        ('const o = { host: "a" }; Object.assign(o, other); f(o)', "set later"),
        ("f({ host: await load() })", "what a call returns"),
        ('import { host } from "some-package"; f({ host })', "not followed"),
        ('import { env } from "./env.mjs"; f({ host: env.SMTP_HOST })', "what a call returns"),
        ('import get from "./get"; f({ host: get })', "a function"),
        ('const a = { host: "x" }; f({ ...a, ...other() })', "spread"),
        ("const host = other; const other = host; f({ host })", "too long"),
        ('import { a } from "./circle"; f({ host: a })', "too long"),
        ("f({ host: process.env.GONE.trim() })", "it throws"),
    ],
)
def test_what_only_a_run_could_tell_is_said(source: str, why: str) -> None:
    """Nothing is guessed: the host is missing, and the expression is named."""
    files = {
        "env.mjs": 'import { z } from "zod"; export const env = z.object({}).parse(process.env);',
        "get.ts": "export default function get() { return 1; }",
        "circle.ts": 'import { b } from "./other"; export const a = b;',
        "other.ts": 'import { a } from "./circle"; export const b = a;',
    }
    found = one(source.replace("f(", "nodemailer.createTransport(", 1), **files)
    assert "not known" in str(found.plan.raw("host"))
    assert any(why in unread.why for unread in found.unread), found.unread
    assert all(unread.expression for unread in found.unread)


def test_deep_long_and_endless_sources_end_soon() -> None:
    """Nesting, a line of a megabyte, constants that double each other: each ends within seconds."""
    double = "const a0 = {};" + "".join(f"const a{n + 1} = {{ x: a{n}, y: a{n} }};" for n in range(60))
    head = 'import nodemailer from "nodemailer"; nodemailer.createTransport('
    hostile = {
        "deep.js": f"{head}{'{a:' * 100_000}",
        "open.js": f"{head}{'(' * 400_000}",
        "long.js": f"{head}{{ host: {'`x` + ' * 80_000}'y' }})",
        "calls.js": f"{head}{{ host: a{'.b()' * 60_000} }})",
        "broken.js": f"{head}{'type A=|' * 50_000}",
        "double.js": f"{double}{head}a60)",
    }
    began = time.process_time()
    found, look = looked(hostile)
    assert time.process_time() - began < 60
    assert {str(unread.place) for unread in look.unread} >= {"deep.js", "open.js"}
    assert all("not known" in str(transport.plan.raw("host")) or not transport.roles for transport in found)


@given(st.text(alphabet="{}()[]'\"`$.,:;=>?a1 \n\\/*é😀", max_size=80))
def test_no_source_raises(text: str) -> None:
    """Whatever people wrote is read, or said to be unread."""
    looked({"mail.ts": f"nodemailer.createTransport({text}); t.sendMail({text}); dotenv"})


# -- variables ------------------------------------------------------------------------------------------------------


def test_a_text_is_true_and_its_variable_is_known() -> None:
    """`secure: process.env.SMTP_SECURE` is the text "false"."""
    found = one(
        "nodemailer.createTransport({ host: process.env.SMTP_HOST, port: 587, secure: process.env.SMTP_SECURE })"
    )
    assert found.plan.mode == "implicit"
    assert str(found.roles["secure"].origin.place) == ".env:3"
    compared = "{ host: 'a', port: 587, secure: process.env.SMTP_SECURE === 'true' }"
    assert values(compared) == ("a", 587, "opportunistic")


def test_the_files_that_dotenv_is_given() -> None:
    """A path in the call, beside the module or in a script of package.json chooses the file."""
    options = "nodemailer.createTransport({ host: process.env.HOST })"
    files = {"conf/mail.env": "HOST=from-conf\n", "server/.env": "HOST=beside\n"}
    said = 'import dotenv from "dotenv"; dotenv.config({ path: "conf/mail.env" });'
    assert one(said + options, **files).plan.host == "from-conf"
    said = 'import dotenv from "dotenv"; dotenv.config({ path: path.resolve(__dirname, "./server/.env") });'
    assert one(said + options, **files).plan.host == "beside"
    package = json.dumps(
        {"dependencies": {"nodemailer": "9"}, "scripts": {"start": "node --env-file=conf/mail.env a.js"}}
    )
    assert one(options, **files, **{"package.json": package}).plan.host == "from-conf"


def test_without_any_file_of_variables_nothing_is_guessed() -> None:
    """What the place it runs in sets, nobody can tell from here."""
    source = "nodemailer.createTransport({ host: process.env.SMTP_HOST, port: 587 })"
    found, _ = looked({"mail.ts": source, ".env": ""})
    assert "not known" in str(found[0].plan.raw("host"))
    assert "no file of variables" in found[0].unread[0].why


def test_environments_and_node_env() -> None:
    """NODE_ENV is the environment that is judged."""
    files = {
        "package.json": '{"dependencies": {"next": "16", "nodemailer": "9"}}',
        ".env.production": "SMTP_HOST=prod\n",
        "mail.ts": "nodemailer.createTransport({ host: process.env.SMTP_HOST,"
        " secure: process.env.NODE_ENV === 'production' })",
    }
    found, _ = looked(files)
    told = {one.environment: (one.plan.host, one.plan.mode) for one in found}
    assert told == {"production": ("prod", "implicit"), "development": ("mail.example.com", "opportunistic")}


def test_each_app_of_a_tree_has_its_own_variables() -> None:
    """A monorepo: the nearest package.json is the application."""
    source = "nodemailer.createTransport({ host: process.env.SMTP_HOST })"
    files = {f"apps/{n}/{name}": text for n in "ab" for name, text in
             (("package.json", PACKAGE), (".env", f"SMTP_HOST={n}\n"), ("src/mail.js", source))}  # fmt: skip
    found, _ = looked(files)
    assert {(one.place.file, one.plan.host) for one in found} == {
        ("apps/a/src/mail.js", "a"),
        ("apps/b/src/mail.js", "b"),
    }


def test_nest_reads_texts_from_its_configuration() -> None:
    """`config.get("SMTP_SECURE")` is a text as well."""
    source = """import { ConfigService } from "@nestjs/config";
    class Mail { constructor(private config: ConfigService) {
      this.t = nodemailer.createTransport({ host: this.config.get<string>("SMTP_HOST"), port: 587,
        secure: this.config.get<boolean>("SMTP_SECURE") }); } }"""
    assert one(source).plan.mode == "implicit"


@pytest.mark.parametrize(
    "source",
    [
        'MailerModule.forRoot({ transport: { host: "h", port: 465 }, defaults: { from: "a@example.com" } })',
        """MailerModule.forRootAsync({ inject: [ConfigService], useFactory: async (config) => ({
          transport: { host: "h", port: 465 }, defaults: { from: "a@example.com" } }) })""",
        """MailerModule.forRootAsync({ useFactory: (config) => { const port = 465;
          return { transport: { host: "h", port }, defaults: { from: "a@example.com" } }; } })""",
        """import Email from "next-auth/providers/email";
          Email({ server: { host: "h", port: 465 }, from: "a@example.com" })""",
        """import { default as Mail } from "next-auth/providers/nodemailer";
          Mail({ server: "smtps://h", from: "a@example.com" })""",
    ],
)
def test_what_hands_options_on_to_nodemailer(source: str) -> None:
    """Nest's MailerModule and next-auth's provider."""
    found = one(source)
    assert (found.plan.host, found.plan.port, found.plan.mode) == ("h", 465, "implicit")
    assert found.roles["from"].value == "a@example.com"


# -- options --------------------------------------------------------------------------------------------------------


def test_from_of_defaults_and_of_sends() -> None:
    """The second argument's From, or that of the sends where all agree."""
    assert (
        one('nodemailer.createTransport({}, { from: "A <a@example.com>" })').roles["from"].value == "A <a@example.com>"
    )
    sends = 'const t = nodemailer.createTransport({}); t.sendMail({ from: { name: "A", address: "a@example.com" } });'
    assert one(sends).roles["from"].value == "A <a@example.com>"
    assert "from" not in one(sends + 't.sendMail({ from: "b@example.com" });').roles


def test_secrets_are_held_apart() -> None:
    """No password in the settings, in what is shown, or in what was not followed."""
    url = 'nodemailer.createTransport("smtp://ann:secret-word@mail.example.com")'
    for source in (url, "nodemailer.createTransport({ auth: { user: 'a', pass: process.env.SMTP_PASS } })"):
        found = one(source)
        assert found.password is not None and found.password.reveal() == "secret-word"
        assert "secret-word" not in repr((found.roles, found.unread, found.plan.why))


def test_a_url_in_a_variable_keeps_its_faults_and_loses_its_password() -> None:
    """What ends a password too early is known of each setting that comes out of the URL."""
    source = "nodemailer.createTransport(process.env.SMTP_URL)"
    found = one(source, **{".env": "SMTP_URL='smtp://ann:secret@word@mail.example.com:587/?pool=true'\n"})
    host = found.roles["host"]
    assert (host.value, host.origin.value) == ("mail.example.com", "smtp://ann:***@mail.example.com:587/")
    assert [fault.kind for fault in host.faults] == ["url-part-not-encoded"]
    assert found.password is not None and found.password.reveal() == "secret@word"
    assert "secret@word" not in repr(found.roles)


def test_marks_of_options() -> None:
    """Ciphers of SSL 3, and a password that stands in the source."""
    _, look = looked(
        {"a.js": "nodemailer.createTransport({ auth: { user: 'a', pass: 'b' }, tls: { ciphers: 'SSLv3' } })"}
    )
    assert {mark.kind for mark in look.marks} == {"old-tls-cipher", "hard-coded-secret"}


def test_options_in_json_files() -> None:
    """JSON and JSON5; not what the source imports, nor what has nothing to do with mail."""
    files = {
        "config/mail.json": '{"host": "a", "port": 465, "auth": {"user": "u", "pass": "p"}}',
        "config/production.json5": "{ smtp: { host: 'b', port: 587, secure: true, /* x */ } }",
        "config/database.json": '{"db": {"host": "c", "port": 5432}}',
        "mail.ts": 'import o from "./imported.json"; nodemailer.createTransport(o.mail)',
        "imported.json": '{"mail": {"host": "d", "port": 25}}',
    }
    found, _ = looked(files)
    told = {(one.place.file, one.plan.host, one.plan.mode, one.environment) for one in found}
    assert told == {
        ("config/mail.json", "a", "implicit", ""),
        ("config/production.json5", "b", "implicit", "production"),
        ("mail.ts", "d", "opportunistic", ""),
    }


def test_without_the_extra_the_report_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Source that cannot be read is named, with what to install."""
    for name in ("tree_sitter", "tree_sitter_javascript", "tree_sitter_typescript", "json5"):
        monkeypatch.setitem(sys.modules, name, None)
    syntax._parser.cache_clear()
    try:
        found, look = looked(
            {"mail.ts": "nodemailer.createTransport({})", "config/mail.json5": "{host: 'smtp', port: 25}"}
        )
    finally:
        syntax._parser.cache_clear()
    assert found == []
    assert [str(unread.place) for unread in look.unread] == ["mail.ts", "config/mail.json5"]
    assert all("deliverkit[source]" in unread.why for unread in look.unread)


# -- sends ----------------------------------------------------------------------------------------------------------


def calls(source: str, package: str = PACKAGE, **files: str) -> list[SendCall]:
    """The sends of a source."""
    _, look = looked({"mail.ts": source, "package.json": package, **files})
    return look.calls


NEXT = '{"dependencies": {"next": "16", "nodemailer": "9"}}'


@pytest.mark.parametrize(
    ("body", "fate"),
    [
        ("await t.sendMail(m);", "awaited"),
        ("return t.sendMail(m);", "returned"),
        ("return await t.sendMail(m);", "awaited"),
        ("t.sendMail(m);", "dropped"),
        ("void t.sendMail(m);", "dropped"),
        ("t.sendMail(m).then(log);", "dropped"),
        ("t.sendMail(m).then(() => res.json({}));", "chained"),
        ("return t.sendMail(m).then(log);", "returned"),
        ("await t.sendMail(m).catch(log);", "awaited"),
        ("const sent = t.sendMail(m); await sent;", "awaited"),
        ("const sent = t.sendMail(m);", "dropped"),
        ("await Promise.all([t.sendMail(m), other()]);", "awaited"),
        ("Promise.all([t.sendMail(m), other()]);", "dropped"),
        ("await Promise.allSettled(list.map((x) => t.sendMail(x)));", "awaited"),
        ("await Promise.all(list.map(async (x) => { await t.sendMail(x); }));", "awaited"),
        ("list.map((x) => t.sendMail(x));", "dropped"),
        ("await list.map((x) => t.sendMail(x));", "dropped"),
        ("const all = list.map((x) => t.sendMail(x)); await Promise.all(all);", "awaited"),
        ("list.forEach(async (x) => { await t.sendMail(x); });", "dropped"),
        ("list.forEach((x) => t.sendMail(x));", "dropped"),
        ("for (const x of list) await t.sendMail(x);", "awaited"),
        ("waitUntil(t.sendMail(m));", "awaited"),
        ("ctx.waitUntil(t.sendMail(m));", "awaited"),
        ("after(async () => { await t.sendMail(m); });", "awaited"),
        ("after(() => t.sendMail(m));", "awaited"),
        ("setTimeout(() => t.sendMail(m), 10);", "dropped"),
        ("(async () => { await t.sendMail(m); })();", "dropped"),
        ("await (async () => { await t.sendMail(m); })();", "awaited"),
        ("emitter.on('order', async (x) => { await t.sendMail(x); });", "awaited"),
        ("t.sendMail(m, (err, info) => { console.log(err); });", "dropped"),
        ("await new Promise((resolve, reject) => t.sendMail(m, (e) => e ? reject(e) : resolve()));", "callback"),
        ("t.sendMail(m, (err) => res.status(err ? 500 : 200).end());", "callback"),
        ("load().then(() => t.sendMail(m));", "dropped"),
        ("return load().then(() => t.sendMail(m));", "returned"),
        ("const x = ok ? await t.sendMail(m) : null;", "awaited"),
    ],
)
def test_fate_of_a_send(body: str, fate: str) -> None:
    """In a function of a host that stops programs."""
    found = calls(f"export async function POST(request) {{ {body} }}", NEXT)
    assert [call.fate for call in found] == [fate]
    assert found[0].in_request and found[0].serverless


@pytest.mark.parametrize(
    ("body", "errors"),
    [
        ("try { await t.sendMail(m); } catch (e) { console.error(e); }", "handled"),
        ("try { await t.sendMail(m); } catch {}", "swallowed"),
        ("try { await t.sendMail(m); } catch (e) { /* never mind */ }", "swallowed"),
        ("try { await t.sendMail(m); } catch (e) { return; }", "swallowed"),
        ("try { await t.sendMail(m); } catch (e) { return { ok: true }; }", "swallowed"),
        ("try { await t.sendMail(m); } catch (e) { return Response.json({}, { status: 502 }); }", "handled"),
        ("try { await t.sendMail(m); } catch (e) { throw e; }", "handled"),
        ("await t.sendMail(m);", "open"),
        ("await t.sendMail(m).catch(() => {});", "swallowed"),
        ("await t.sendMail(m).then(log).catch(() => null);", "swallowed"),
        ("await t.sendMail(m).catch(console.error);", "handled"),
        ("t.sendMail(m, () => res.end());", "swallowed"),
        ("t.sendMail(m, (err) => res.end());", "swallowed"),
        ("t.sendMail(m, (err) => { if (err) next(err); });", "handled"),
    ],
)
def test_errors_of_a_send(body: str, errors: str) -> None:
    """What becomes of a refusal."""
    assert [call.errors for call in calls(f"async function f(x) {{ {body} }}")] == [errors]


def test_a_function_that_sends_is_followed_one_step() -> None:
    """`sendWelcome()` hands the promise on; whoever calls it without await drops it."""
    mail = """export async function sendWelcome(to) { return t.sendMail({ to }); }
export const other = async () => { await t.sendMail({}); };"""
    route = """import { sendWelcome as hello, other } from "@/mail";
export async function POST(request) { hello("a"); await other(); }"""
    found = calls(mail, NEXT, **{"app/route.ts": route, "app/no.ts": "function sendWelcome() {} sendWelcome();"})
    told = [(str(call.place), call.call, call.fate) for call in found if call.place.file != "mail.ts"]
    assert told == [("app/route.ts:2", "hello", "dropped"), ("app/route.ts:2", "other", "awaited")]


def test_where_a_send_stands() -> None:
    """Handlers, server actions, routes of Nest, the edge runtime, and what is none of them."""
    action = '"use server";\nexport async function contact(data) { await t.sendMail({}); }'
    assert calls(action, NEXT)[0].in_request
    nest = "class C { @Post('x') async create(dto) { await this.t.sendMail({}); } }"
    assert calls(nest)[0].in_request
    assert not calls("async function nightly(rows) { await t.sendMail({}); }")[0].in_request
    assert calls('export const runtime = "edge";\nawait t.sendMail({});', NEXT)[0].runtime == "edge"


@pytest.mark.parametrize(
    ("source", "marked"),
    [
        ("export async function POST(request) { const t = nodemailer.createTransport({}); }", True),
        ("app.post('/x', async (req, res) => { const t = nodemailer.createTransport({}); });", True),
        ("let t; export async function POST(request) { t ??= nodemailer.createTransport({}); }", False),
        ("let t; export async function POST(request) { if (!t) { t = nodemailer.createTransport({}); } }", False),
        ("const t = nodemailer.createTransport({});", False),
    ],
)
def test_a_transport_for_each_request(source: str, marked: bool) -> None:
    """Made in the handler, and not kept."""
    _, look = looked({"mail.ts": source})
    assert [mark.kind for mark in look.marks] == ["transport-per-request"] * marked


def test_program_is_shared_by_environments() -> None:
    """A file is parsed once for all environments."""
    program = js.Program(ToldTree({"a.js": "const a = 1;"}), lambda _name: None)
    assert program.with_lookup(lambda _name: None).module("a.js") is program.module("a.js")
