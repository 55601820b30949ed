// Nodemailer for tests/peers/test_clients.py: sends two messages over one transport, the first composed and DKIM-signed
// by Nodemailer, the second as it is given. Reads one JSON object from standard input:
//   {host, port, mode: "clear" | "starttls" | "implicit", ca: PEM, user, pass, from, to, dkim: {domainName, keySelector,
//    privateKey}, raw: BASE64, raw_to}
// and writes the server's last words: {composed: REPLY, raw: REPLY}.
'use strict';

const { text } = require('node:stream/consumers');
const nodemailer = require('nodemailer');

async function main() {
    const job = JSON.parse(await text(process.stdin));
    const transport = nodemailer.createTransport({
        host: job.host,
        port: job.port,
        name: 'client.example.com',
        secure: job.mode === 'implicit',
        requireTLS: job.mode === 'starttls',
        ignoreTLS: job.mode === 'clear',
        auth: { user: job.user, pass: job.pass },
        tls: { ca: job.ca },
        pool: true,
        maxConnections: 1
    });
    const composed = await transport.sendMail({
        from: { name: 'Zoë Müller', address: job.from },
        to: job.to,
        subject: 'Grüße aus Köln: your order has left, and this subject is long enough that it has to be folded somewhere',
        text: 'Hello,\n.\n..dots at the beginning of lines\n\nGrüße\n\n\n',
        html: '<p>Hello,</p><p>Grüße from <b>Köln</b></p>',
        attachments: [{ filename: 'prices ä.csv', content: 'a;b\n1;2\n' }],
        list: { unsubscribe: { url: 'https://example.com/unsubscribe/0123456789012345678901234567890123456789?list=news' } },
        headers: { 'List-Unsubscribe-Post': 'List-Unsubscribe=One-Click' },
        dkim: job.dkim
    });
    const raw = await transport.sendMail({
        envelope: { from: job.from, to: [job.raw_to] },
        raw: Buffer.from(job.raw, 'base64')
    });
    transport.close();
    process.stdout.write(JSON.stringify({ composed: composed.response, raw: raw.response }));
}

main();
