// An application for tests/peers/test_ladder.py: sends one message over the transport that ./mail.js of the folder makes.
// Run in that folder, with the application's variables in the environment. Reads {to} as JSON from standard input and
// writes {sent: REPLY} or {code, message}.
'use strict';

const path = require('node:path');
const { text } = require('node:stream/consumers');

async function main() {
    const job = JSON.parse(await text(process.stdin));
    const transport = require(path.join(process.cwd(), 'mail.js'));
    try {
        const info = await transport.sendMail({ from: process.env.SMTP_USER, to: job.to, subject: 'order', text: 'left' });
        process.stdout.write(JSON.stringify({ sent: info.response }));
    } catch (error) {
        process.stdout.write(JSON.stringify({ code: error.code, message: error.message }));
    }
}

main();
