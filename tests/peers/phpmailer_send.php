<?php
// PHPMailer for tests/peers/test_clients.py: composes, DKIM-signs and sends one message. Reads one JSON object from
// standard input:
//   {host, port, mode: "clear" | "starttls" | "implicit", ca_file, user, pass, from, to, encoding, dkim: {domain,
//    selector, key}}
// and writes what PHPMailer says it sent: {sent: BASE64}.
require 'libphp-phpmailer/autoload.php';

use PHPMailer\PHPMailer\PHPMailer;

$job = json_decode(stream_get_contents(STDIN), true);
$mail = new PHPMailer(true);
$mail->isSMTP();
$mail->Host = $job['host'];
$mail->Port = $job['port'];
$mail->Helo = 'client.example.com';
$mail->Timeout = 20;
$mail->SMTPAuth = true;
$mail->Username = $job['user'];
$mail->Password = $job['pass'];
$mail->SMTPAutoTLS = false;
$mail->SMTPSecure = ['clear' => '', 'starttls' => PHPMailer::ENCRYPTION_STARTTLS,
    'implicit' => PHPMailer::ENCRYPTION_SMTPS][$job['mode']];
$mail->SMTPOptions = ['ssl' => ['cafile' => $job['ca_file']]];
$mail->CharSet = PHPMailer::CHARSET_UTF8;
$mail->Encoding = $job['encoding'];
$mail->Hostname = 'example.com';
$mail->setFrom($job['from'], 'Zoë Müller');
$mail->addAddress($job['to']);
$mail->Subject = 'Grüße aus Köln: your order has left, and this subject is long enough that it has to be folded somewhere';
$mail->isHTML(true);
$mail->Body = "<p>Hello,</p>\n.\n<p>Grüße from <b>Köln</b></p>\n";
$mail->AltBody = "Hello,\n.\n..dots at the beginning of lines\n\nGrüße\n\n\n";
$mail->addStringAttachment("a;b\n1;2\n", 'prices ä.csv');
$mail->DKIM_domain = $job['dkim']['domain'];
$mail->DKIM_selector = $job['dkim']['selector'];
$mail->DKIM_private_string = $job['dkim']['key'];
$mail->DKIM_identity = $mail->From;
$mail->send();
echo json_encode(['sent' => base64_encode($mail->getSentMIMEMessage())]);
