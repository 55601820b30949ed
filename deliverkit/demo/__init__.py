"""The embedded world of ``deliverkit demo``: a name server and SMTP listeners on loopback, two domains, one job."""
