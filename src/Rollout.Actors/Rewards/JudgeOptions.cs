using Rollout.Actors.Rewards.Programs;
using Rollout.Actors.Settings;

namespace Rollout.Actors.Rewards;

/// <summary>Makes the rewards that ask a judge outside of this process from their options: http, program, python.</summary>
internal static class JudgeOptions
{
    private static readonly string[] Sandboxes = ["bwrap", "none"];

    public static HttpReward CreateHttp(RewardOptions options)
    {
        var url = options.Read("url", Url);
        var token = options.Read<string?>("token-variable", Variable, null);
        return new HttpReward(url, Batches(options), options.Read("timeout", Duration, TimeSpan.FromSeconds(30)), token);
    }

    public static ProgramReward CreateProgram(RewardOptions options)
    {
        var command = options.Read("command", (section, key) => section.Texts(key) is { Count: > 0 } texts
            ? texts
            : throw section.Invalid(key, "the program and its arguments"));
        var program = Existing(options, "command", command[0]);
        return Create(options, [program, .. command.Skip(1)], Environment.CurrentDirectory, []);
    }

    public static ProgramReward CreatePython(RewardOptions options)
    {
        var file = options.Read("file", (section, key) => File.Exists(section.Text(key))
            ? section.Text(key)
            : throw section.Invalid(key, "a file with a Python function"));
        var function = options.Read("function", (section, key) => section.NonEmptyText(key), "reward");
        var python = options.Read("python", (section, key) => section.NonEmptyText(key), "python3");
        var folder = Path.GetDirectoryName(file)!;
        var interpreter = Existing(options, options.Has("python") ? "python" : "file", python);
        // An interpreter outside of /usr sees its own installation.
        var home = Path.GetDirectoryName(Path.GetDirectoryName(interpreter)) ?? "/";
        return Create(
            options,
            PythonFunction.Command(interpreter, file, function),
            folder,
            home is "/" or "/usr" or "/usr/local" ? [folder] : [folder, home]);
    }

    private static ProgramReward Create(RewardOptions options, string[] program, string folder, string[] seen)
    {
        var sandbox = options.Read("sandbox", (section, key) => Sandboxes.Contains(section.Text(key))
            ? section.Text(key)
            : throw section.Invalid(key, "bwrap or none"), Sandboxes[0]);
        var limits = new SandboxLimits(
            options.Read("memory", (section, key) => section.Bytes(key), 2L << 30),
            options.Read("processes", (section, key) => section.Whole(key, Bounds.Between(1, 100_000)), 64),
            options.Read("network", (section, key) => section.Bool(key), false),
            [.. seen, .. options.Read("read-only", Paths, [])]);
        var batches = Batches(options) with
        {
            AtOnce = options.Read("workers", (section, key) => section.Whole(key, Bounds.Between(1, 1024)), 1),
        };
        if (sandbox == "none")
            return new ProgramReward(new ProgramLauncher(program, folder), batches);
        try
        {
            var inside = seen.Length == 0 ? "/" : folder;
            return new ProgramReward(ProgramLauncher.Sandboxed(program, limits, inside), batches);
        }
        catch (NotSupportedException missing)
        {
            throw options.Error(
                $"runs its program in a sandbox: {missing.Message}; sandbox = none runs it without one, with all rights of yours");
        }
    }

    private static BatchLimits Batches(RewardOptions options) => new(
        options.Read("batch-size", (section, key) => section.Whole(key, Bounds.Between(1, 65_536)), 64),
        options.Read("batch-wait", Duration, TimeSpan.FromMilliseconds(100)));

    private static string Existing(RewardOptions options, string key, string program) =>
        ProgramLauncher.Find(program) ?? throw options.Invalid(key, $"a program that exists ({program})");

    private static TimeSpan Duration(ConfigSection section, string key) => section.Duration(key);

    private static IReadOnlyList<string> Paths(ConfigSection section, string key) =>
        section.Texts(key).All(path => Path.IsPathRooted(path) && Path.Exists(path))
            ? section.Texts(key)
            : throw section.Invalid(key, "absolute paths that exist");

    private static Uri Url(ConfigSection section, string key) =>
        Uri.TryCreate(section.Text(key), UriKind.Absolute, out var url) && url.Scheme is "http" or "https"
            ? url
            : throw section.Invalid(key, "a URL that starts with http:// or https://");

    private static string Variable(ConfigSection section, string key) =>
        Environment.GetEnvironmentVariable(section.NonEmptyText(key)) is { Length: > 0 } token
            ? token
            : throw section.Invalid(key, "the name of an environment variable that is set");
}
