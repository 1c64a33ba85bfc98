"""The subcommands of `mcp-runtime legacy`, a module each: `run(args, config)`. Rule: standard output is the answer.

`mcp_runtime.cli.commands.legacy` declares the options of each, and finds these modules by the subcommand's name.
"""
