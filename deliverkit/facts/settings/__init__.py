"""An application's mail configuration: read where it stands, every value with its file and line, secrets held apart.

`values` is what a value is; `tree` the files to read; `environment` the variables of each environment (dotenv rules);
`model` one mail transport and what its framework will do with it; `readers/` one file per convention. Nothing here
runs or imports anything of the application.
"""
