namespace Rollout.Host.Cluster;

/// <summary>What a host says while it runs: a line with its time for each thing that happens.</summary>
/// <param name="output">Standard output.</param>
internal sealed class HostLines(TextWriter output)
{
    private readonly Lock _turn = new();

    /// <summary>Safe from any thread.</summary>
    public void Say(string line) => Write($"{TimeProvider.System.GetLocalNow():HH:mm:ss} {line}");

    /// <summary>A line for programs that wait for it.</summary>
    public void Write(string line)
    {
        lock (_turn)
        {
            output.WriteLine(line);
            output.Flush();
        }
    }
}
