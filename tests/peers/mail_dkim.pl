#!/usr/bin/perl
# Mail::DKIM for tests/peers/test_verifiers.py. Reads one JSON object from standard input, writes one:
#   {"verify": {"nameserver": [HOST, PORT], "messages": {NAME: BASE64}}}  ->  {NAME: [[RESULT, DETAIL, SELECTOR], ...]}
#   {"sign": {"domain": D, "selector": S, "key": PEM, "messages": {NAME: [METHOD, BASE64]}}}  ->  {NAME: SIGNATURE FIELD}
use strict;
use warnings;
use JSON::PP;
use MIME::Base64;
use Mail::DKIM::DNS;
use Mail::DKIM::PrivateKey;
use Mail::DKIM::Signer;
use Mail::DKIM::Verifier;
use Net::DNS::Resolver;

sub verify {
    my ($job) = @_;
    my ($host, $port) = @{ $job->{nameserver} };
    Mail::DKIM::DNS::resolver(Net::DNS::Resolver->new(nameservers => [$host], port => $port, recurse => 1));
    my %told;
    for my $name (keys %{ $job->{messages} }) {
        my $verifier = Mail::DKIM::Verifier->new;
        $verifier->PRINT(decode_base64($job->{messages}{$name}));
        $verifier->CLOSE;
        $told{$name} = [map { [$_->result, $_->result_detail, $_->selector] } $verifier->signatures];
    }
    return \%told;
}

sub sign {
    my ($job) = @_;
    (my $data = $job->{key}) =~ s/-----[^-]+-----|\s//g;
    my %told;
    for my $name (keys %{ $job->{messages} }) {
        my ($method, $message) = @{ $job->{messages}{$name} };
        my $signer = Mail::DKIM::Signer->new(
            Algorithm => 'rsa-sha256', Method => $method, Domain => $job->{domain}, Selector => $job->{selector},
            Key => Mail::DKIM::PrivateKey->load(Data => $data));
        $signer->PRINT(decode_base64($message));
        $signer->CLOSE;
        $told{$name} = $signer->signature->as_string;
    }
    return \%told;
}

my $job = decode_json(do { local $/; <STDIN> });
print encode_json($job->{verify} ? verify($job->{verify}) : sign($job->{sign}));
