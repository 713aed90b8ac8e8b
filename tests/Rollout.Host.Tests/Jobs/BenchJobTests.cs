using System.Text.Json;
using Rollout.Host.Invocation;
using Rollout.Host.Tests.Support;
using Xunit;

namespace Rollout.Host.Tests.Jobs;

public sealed class BenchJobTests
{
    [Fact]
    public async Task A_workload_of_few_tokens_is_measured_and_every_one_of_them_counted()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(
            folder.At("w.jsonl"),
            """
            {"id":"a","prompt_ids":[3,4,5],"max_tokens":[2,3]}
            {"id":"b","prompt_ids":[6],"max_tokens":[1]}
            """);

        var (code, output, error) = await RolloutRun.RunAsync(
            "bench", "--model", TinyModel.Save(folder), "--workload", folder.At("w.jsonl"), "--block-size", "4");

        Assert.True(code == ExitCodes.Ok, error);
        var report = JsonSerializer.Deserialize<JsonElement>(output);
        Assert.Equal(6, report.GetProperty("new_tokens").GetInt64());
        Assert.True(report.GetProperty("load_seconds").GetDouble() > 0);
        Assert.True(report.GetProperty("tokens_per_second").GetDouble() > 0);
    }
}
