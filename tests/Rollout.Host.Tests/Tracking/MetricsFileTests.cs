using System.Text.Json;
using Rollout.Host.Output;
using Rollout.Host.Tests.Support;
using Rollout.Host.Tracking;
using Xunit;

namespace Rollout.Host.Tests.Tracking;

public sealed class MetricsFileTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_step_is_in_the_file_as_soon_as_it_is_written()
    {
        var run = RunFolder.Create(_folder.Path);
        using var metrics = MetricsFile.Create(run);

        metrics.Write(new StepRecord(Reports.Step(1)));
        Assert.Single(MetricsFile.Read(run));
        metrics.Write(new StepRecord(Reports.Step(2, heldOut: 0.5)));

        Assert.Equal(
            [Reports.Step(1).Values, Reports.Step(2, heldOut: 0.5).Values],
            MetricsFile.Read(run).Select(step => step.Values));
    }

    [Fact]
    public void What_was_not_measured_is_absent_and_what_is_no_number_is_null()
    {
        var run = RunFolder.Create(_folder.Path);
        using (var metrics = MetricsFile.Create(run))
            metrics.Write(new StepRecord(Reports.Step(1).With(Metrics.Loss, double.NaN)));

        using var line = JsonDocument.Parse(File.ReadAllText(run.Metrics));
        Assert.Equal("step", line.RootElement.EnumerateObject().First().Name);
        Assert.False(line.RootElement.TryGetProperty("eval_accuracy", out _));
        Assert.Equal(JsonValueKind.Null, line.RootElement.GetProperty("loss").ValueKind);
        var read = Assert.Single(MetricsFile.Read(run));
        Assert.Equal(double.NaN, read.Find(Metrics.Loss));
        Assert.Null(read.Find(Metrics.HeldOutAccuracy));
    }

    [Theory]
    [InlineData("")]
    [InlineData("{\"step\":4,\"rew")]
    public void A_resumed_run_goes_on_after_its_checkpoint_whatever_a_crash_left(string cutShort)
    {
        var run = RunFolder.Create(_folder.Path);
        using (var metrics = MetricsFile.Create(run))
        {
            for (var step = 1; step <= 3; step++)
                metrics.Write(new StepRecord(Reports.Step(step)));
        }

        File.AppendAllText(run.Metrics, cutShort);
        using (var metrics = MetricsFile.Resume(run, lastStep: 2))
            metrics.Write(new StepRecord(Reports.Step(3, heldOut: 1)));

        Assert.Equal(
            [Reports.Step(1).Values, Reports.Step(2).Values, Reports.Step(3, heldOut: 1).Values],
            MetricsFile.Read(run).Select(step => step.Values));
        Assert.Equal(3, File.ReadAllLines(run.Metrics).Length);
    }

    [Fact]
    public void A_file_that_loses_a_broken_line_is_replaced_by_one_that_is_on_the_disk()
    {
        var run = RunFolder.Create(_folder.Path);
        using (var metrics = MetricsFile.Create(run))
            metrics.Write(new StepRecord(Reports.Step(1)));
        var whole = new FileInfo(run.Metrics).Length;
        File.WriteAllLines(run.Metrics, ["broken", .. File.ReadAllLines(run.Metrics)]);
        using var disk = new DiskLog(run.Path);

        MetricsFile.Resume(run, lastStep: 1).Dispose();

        Assert.Equal(
            [$"flush metrics.jsonl.*.tmp ({whole} bytes)", "rename metrics.jsonl", "flush folder ."], disk.Lines);
    }

    [Theory]
    [InlineData("[]")]
    [InlineData("{}")]
    [InlineData("{\"step\":1.5}")]
    [InlineData("{\"step\":\"1\"}")]
    public void A_line_without_a_step_is_left_out_and_named(string line)
    {
        var run = RunFolder.Create(_folder.Path);
        File.WriteAllText(run.Metrics, $"{{\"step\":1,\"note\":[2]}}\n{line}\n");

        using var metrics = MetricsFile.Resume(run, lastStep: 2);

        Assert.Equal([2], metrics.Unreadable);
        Assert.Empty(Assert.Single(MetricsFile.Read(run)).Values);
    }
}
