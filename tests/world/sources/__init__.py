"""Sources of records: master files, octoDNS YAML, Terraform plans."""
