using System.Text.RegularExpressions;
using Xunit;

namespace Rollout.Actors.Tests;

/// <summary>Who may know whom, by what the source files name.</summary>
public sealed partial class ArchitectureTests
{
    private static readonly string[] PureFolders =
        ["Blocks", "Engine", "Membership", "Placement", "Text", "Data", "Settings"];

    private static readonly string[] ActorFolders =
        ["Barrier", "Client", "Decoding", "Rewards", "Scheduling", "Topology", "Training"];

    [Fact]
    public void The_parts_that_decide_know_no_Akka() =>
        AssertNoneNames(PureFolders.SelectMany(folder => Files("Rollout.Actors", folder)), "Akka");

    [Fact]
    public void The_parts_that_decide_know_no_actors() => AssertNoneNames(
        PureFolders.SelectMany(folder => Files("Rollout.Actors", folder)),
        [.. ActorFolders.Select(folder => $"Rollout.Actors.{folder}")]);

    [Fact]
    public void The_actors_and_what_they_use_know_no_TorchSharp() =>
        AssertNoneNames(Files("Rollout.Actors", ""), "TorchSharp");

    [Fact]
    public void The_contracts_know_no_TorchSharp_and_no_Akka() =>
        AssertNoneNames(Files("Rollout.Gpu", "Contracts"), "TorchSharp", "Akka", "Rollout.Actors");

    [Fact]
    public void The_device_side_knows_no_actors() =>
        AssertNoneNames(Files("Rollout.Gpu", ""), "Akka", "Rollout.Actors");

    [Fact]
    public void The_protocol_knows_no_actor() => AssertNoneNames(
        Files("Rollout.Actors", "Protocol"), [.. ActorFolders.Select(folder => $"Rollout.Actors.{folder}")]);

    [Fact]
    public void Only_the_membership_actor_subscribes_to_cluster_events() => Assert.Equal(
        ["MembershipActor.cs"],
        from project in (string[])["Rollout.Gpu", "Rollout.Actors", "Rollout.Host"]
        from file in Files(project, "")
        where ClusterSubscription().IsMatch(File.ReadAllText(file))
        select Path.GetFileName(file));

    [Fact]
    public void Every_folder_is_known_to_these_rules() => Assert.Equal(
        PureFolders.Concat(ActorFolders).Append("Protocol").Order(),
        Directory.EnumerateDirectories(Path.Combine(Source, "Rollout.Actors"))
            .Select(folder => Path.GetFileName(folder))
            .Where(folder => folder is not ("bin" or "obj"))
            .Order());

    [Fact]
    public void The_device_side_shows_its_contracts_and_a_few_ways_in()
    {
        var shown =
            from file in Files("Rollout.Gpu", "")
            where !Path.GetRelativePath(Source, file).StartsWith(Path.Combine("Rollout.Gpu", "Contracts"), StringComparison.Ordinal)
            from line in File.ReadLines(file)
            let type = PublicType().Match(line)
            where type.Success
            select type.Groups["name"].Value;
        Assert.Equal(
            [
                "CausalLm", "CheckpointStore", "CudaPart", "CudaParts", "DeviceIntake", "DurableFiles", "HuggingFaceModel",
                "LibTorch", "MemoryNeed", "ModelConfigReader", "ModelRunners", "PeftAdapter", "PolicyTrainer", "PolicyWeights",
                "SamplingRng", "SupervisedOptions", "SupervisedTrainer", "TrainingBenchmark", "TrainingMeasurement",
                "TrainingShares", "TransferOptions", "TransferSecurity", "WeightFingerprint", "WeightPublisher",
                "WeightReceiver", "WeightServer",
            ],
            shown.Distinct().Order(StringComparer.Ordinal));
    }

    [Fact]
    public void No_file_has_more_than_300_lines() => Assert.Empty(
        from project in (string[])["Rollout.Gpu", "Rollout.Actors", "Rollout.Host"]
        from file in Files(project, "")
        let lines = File.ReadLines(file).Count()
        where lines > 300
        select $"{Path.GetRelativePath(Source, file)}: {lines}");

    [Fact]
    public void A_tests_name_says_its_promise_in_at_most_80_characters() => Assert.Empty(
        from file in Directory.EnumerateFiles(TestFiles.Repository("tests"), "*.cs", SearchOption.AllDirectories)
        from test in TestMethod().Matches(File.ReadAllText(file))
        let name = test.Groups["name"].Value
        where name.Length > 80
        select $"{Path.GetFileName(file)}: {name} has {name.Length}");

    [Theory]
    [InlineData("Rollout.Gpu")]
    [InlineData("Rollout.Actors")]
    [InlineData("Rollout.Host")]
    public void Folders_use_each_other_without_cycles(params string[] projects)
    {
        var graph = new FolderGraph(projects.SelectMany(project => Files(project, ""))
            .Select(file => (Path.GetFileName(file), File.ReadAllText(file))));
        var cycles = graph.Cycles().Select(circle => string.Join(" <-> ", circle)).ToArray();
        Assert.True(cycles.Length == 0, $"Folders use each other in cycles:\n{string.Join('\n', cycles)}\n\n{graph}");
    }

    [Theory]
    [InlineData("using R.B;", "A a;")]
    [InlineData("", "B.Second second;")]
    [InlineData("", "R.B.Second second;")]
    public void A_cycle_of_folders_is_found_and_printed(string header, string body)
    {
        var graph = new FolderGraph(
        [
            ("First.cs", $"{header}\nnamespace R.A;\n/// <summary>Not R.C.Third.</summary>\npublic class First {{ {body} }}"),
            ("Second.cs", "namespace R.B;\npublic class Second { A.First first; C.Third third; }"),
            ("Third.cs", "namespace R.C;\ninternal class Third { string s = \"R.A.First\"; }"),
            ("Below.cs", "namespace R.C.D;\ninternal class Below { Third third; }"),
        ]);
        Assert.Equal(["R.A", "R.B"], Assert.Single(graph.Cycles()));
        Assert.Equal(
            "R.A|  -> R.B  (First.cs)|R.B|  -> R.A  (Second.cs)|  -> R.C  (Second.cs)|R.C|R.C.D|  -> R.C  (Below.cs)|",
            graph.ToString().ReplaceLineEndings("|"));
    }

    private static string Source => TestFiles.Repository("src");

    private static string[] Files(string project, string folder)
    {
        var path = Path.Combine(Source, project, folder);
        var files = Directory.EnumerateFiles(path, "*.cs", SearchOption.AllDirectories).ToArray();
        Assert.NotEmpty(files);
        return files;
    }

    private static void AssertNoneNames(IEnumerable<string> files, params string[] namespaces)
    {
        var offences =
            from file in files
            from line in File.ReadLines(file)
            let name = Using().Match(line).Groups["name"].Value
            from forbidden in namespaces
            where name == forbidden || name.StartsWith(forbidden + ".", StringComparison.Ordinal)
            select $"{Path.GetRelativePath(Source, file)}: {line.Trim()}";
        Assert.Empty(offences);
    }

    [GeneratedRegex(@"^\s*(global\s+)?using\s+(static\s+)?(\w+\s*=\s*)?(global::)?(?<name>[\w.]+)\s*;")]
    private static partial Regex Using();

    [GeneratedRegex(@"^public (\w+ )*(class|record struct|record|struct|interface|enum|delegate \S+) (?<name>\w+)")]
    private static partial Regex PublicType();

    [GeneratedRegex(@"[Cc]luster(\.Get\([^)]*\))?\s*\.(Subscribe|SendCurrentClusterState)\(")]
    private static partial Regex ClusterSubscription();

    [GeneratedRegex(@"public (static )?(async )?(void|Task|ValueTask) (?<name>[A-Z]\w*)\(")]
    private static partial Regex TestMethod();
}
