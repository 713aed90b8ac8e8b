using Rollout.Gpu.Kernels;
using Xunit;

namespace Rollout.Gpu.Tests.Kernels;

public sealed class KernelCacheTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private int _compiled;

    [Fact]
    public void A_compiled_kernel_is_found_again()
    {
        var cache = new KernelCache(_folder.At("kernels"));

        Assert.Equal([1, 2, 3], cache.GetOrAdd("key", Compile));
        Assert.Equal([1, 2, 3], new KernelCache(_folder.At("kernels")).GetOrAdd("key", Compile));

        Assert.Equal(1, _compiled);
        Assert.Single(Directory.GetFiles(_folder.At("kernels")));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(20)]
    [InlineData(34)]
    public void A_file_that_was_cut_off_is_compiled_again(int length)
    {
        var cache = new KernelCache(_folder.Path);
        cache.GetOrAdd("key", Compile);
        var file = Assert.Single(Directory.GetFiles(_folder.Path));
        File.WriteAllBytes(file, File.ReadAllBytes(file)[..length]);

        Assert.Equal([1, 2, 3], cache.GetOrAdd("key", Compile));
        Assert.Equal([1, 2, 3], cache.GetOrAdd("key", Compile));

        Assert.Equal(2, _compiled);
    }

    [Fact]
    public void Without_a_writable_folder_kernels_are_compiled_each_time()
    {
        File.WriteAllText(_folder.At("file"), "in the way");
        var cache = new KernelCache(Path.Combine(_folder.At("file"), "kernels"));

        Assert.Equal([1, 2, 3], cache.GetOrAdd("key", Compile));
        Assert.Equal([1, 2, 3], cache.GetOrAdd("key", Compile));

        Assert.Equal(2, _compiled);
    }

    [Fact]
    public void The_key_tells_where_one_text_ends_and_the_next_begins()
    {
        Assert.Equal(KernelCache.KeyOf("name", ["ab", "c"]), KernelCache.KeyOf("name", ["ab", "c"]));
        Assert.NotEqual(KernelCache.KeyOf("name", ["ab", "c"]), KernelCache.KeyOf("name", ["a", "bc"]));
        Assert.StartsWith("name-", KernelCache.KeyOf("name", []), StringComparison.Ordinal);
    }

    public void Dispose() => _folder.Dispose();

    private byte[] Compile()
    {
        _compiled++;
        return [1, 2, 3];
    }
}
