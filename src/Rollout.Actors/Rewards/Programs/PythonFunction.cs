namespace Rollout.Actors.Rewards.Programs;

/// <summary>
/// Runs a Python function as TRL calls it: <c>reward(prompts=[…], completions=[…], **fields)</c>, each a list with an entry
/// a sample, and a list of numbers and None back. What it prints goes to standard error.
/// </summary>
internal static class PythonFunction
{
    private const string Script =
        """
        import importlib.util, json, os, sys
        answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
        os.dup2(2, 1)
        path, name = sys.argv[1:3]
        sys.path.insert(0, os.path.dirname(path))
        spec = importlib.util.spec_from_file_location("reward", path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        reward = getattr(module, name)
        for line in sys.stdin.buffer:
            samples = json.loads(line)["samples"]
            names = {key for sample in samples for key in sample["fields"]}
            columns = {key: [sample["fields"].get(key) for sample in samples] for key in names}
            columns["prompts"] = [sample["prompt"] for sample in samples]
            columns["completions"] = [sample["completion"] for sample in samples]
            rewards = [None if value is None else float(value) for value in reward(**columns)]
            answers.write(json.dumps({"rewards": rewards}) + "\n")
            answers.flush()
        """;

    /// <param name="python">The interpreter's path.</param>
    /// <param name="file">The file with the function.</param>
    /// <param name="function">Its name.</param>
    public static string[] Command(string python, string file, string function) =>
        [python, "-c", Script, file, function];
}
