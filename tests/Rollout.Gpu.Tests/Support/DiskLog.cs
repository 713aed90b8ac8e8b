#pragma warning disable IDE0130 // The host's tests use it too, under one name.
using Rollout.Gpu.Weights;

namespace Rollout.Tests.Support;

/// <summary>
/// What the code after it in the same test has the disk do, in order: "flush model.safetensors (7 bytes)",
/// "rename step-1", "flush folder checkpoints". Names are relative to a folder, and a random part of a name is "*".
/// </summary>
internal sealed class DiskLog : IDisposable
{
    private readonly List<string> _lines = [];
    private readonly string _folder;

    public DiskLog(string folder)
    {
        _folder = folder;
        DurableFiles.Observer.Value = Add;
    }

    public IReadOnlyList<string> Lines => _lines;

    /// <summary>Called after each operation too.</summary>
    public Action<DiskOperation, string> Then { get; init; } = (_, _) => { };

    public void Dispose() => DurableFiles.Observer.Value = null;

    private void Add(DiskOperation operation, string path)
    {
        var name = string.Join('/', Path.GetRelativePath(_folder, path).Split('/').Select(WithoutRandomPart));
        _lines.Add(operation switch
        {
            DiskOperation.FlushFile => $"flush {name} ({new FileInfo(path).Length} bytes)",
            DiskOperation.FlushFolder => $"flush folder {name}",
            _ => $"rename {name}",
        });
        Then(operation, path);
    }

    private static string WithoutRandomPart(string name) =>
        string.Join('.', name.Split('.').Select(part => string.Join('-', part.Split('-').Select(HideRandom))));

    private static string HideRandom(string part) => Guid.TryParseExact(part, "N", out _) ? "*" : part;
}
