"""What `mcp-runtime legacy` does, a module a subcommand: `run(args, config)`. Rule: standard output is the answer.

The options of each are declared in `mcp_runtime.cli.legacy`, which finds these modules by the subcommand's name.
"""
