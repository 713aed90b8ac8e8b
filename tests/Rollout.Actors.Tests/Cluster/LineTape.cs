using System.Collections.Concurrent;

namespace Rollout.Actors.Tests.Cluster;

/// <summary>What a host says, as it says it.</summary>
internal sealed class LineTape
{
    private readonly ConcurrentQueue<string> _lines = new();
    private readonly ConcurrentQueue<(Func<string, bool> Wanted, TaskCompletionSource<string> Found)> _waiting = new();

    public IReadOnlyCollection<string> Lines => _lines;

    public void Say(string line)
    {
        _lines.Enqueue(line);
        foreach (var (wanted, found) in _waiting)
        {
            if (wanted(line))
                found.TrySetResult(line);
        }
    }

    /// <summary>The first line with this in it, said already or to come.</summary>
    public async Task<string> WaitForAsync(string part)
    {
        var found = new TaskCompletionSource<string>(TaskCreationOptions.RunContinuationsAsynchronously);
        _waiting.Enqueue((line => line.Contains(part, StringComparison.Ordinal), found));
        if (_lines.FirstOrDefault(line => line.Contains(part, StringComparison.Ordinal)) is { } said)
            return said;
        try
        {
            return await found.Task.WaitAsync(TimeSpan.FromSeconds(60));
        }
        catch (TimeoutException)
        {
            throw new TimeoutException($"nobody said '{part}', but: {string.Join(" | ", _lines)}");
        }
    }
}
